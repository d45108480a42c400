"""What options mean together, and which contradict each other."""

from pathlib import Path
from typing import Any

import pytest

from batch.engines import EngineName
from batch.kinds import Format
from batch.options import Options, OptionsInvalid
from batch.share import Share

DEFAULTS: dict[str, Any] = {
    "source": "photos",
    "output": "out",
    "model": None,
    "version": None,
    "alias": None,
    "server": None,
    "models": "var/models",
    "trusted_keys": None,
    "engine": None,
    "top_k": 5,
    "shard_size": 10_000,
    "format": Format.PARQUET,
    "min_confidence": None,
    "embeddings": False,
    "timings": False,
    "precision": "fp32",
    "device": "auto",
    "workers": None,
    "batch_size": 16,
    "max_image_bytes": 1000,
    "path_column": None,
    "id_column": None,
    "shares": 1,
    "share": None,
    "patience": 300.0,
    "ray_address": None,
    "token": "",
    "tls": False,
    "root_certificates": None,
    "client_certificate": None,
    "client_key": None,
    "restart": False,
    "as_json": False,
}


def options(**given: Any) -> Options:
    return Options(**DEFAULTS | given)


def test_a_server_makes_the_engine_remote() -> None:
    assert options().engine_settings.name is EngineName.LOCAL
    remote = options(server=["a:1,b:2", "c:3"]).engine_settings
    assert (remote.name, remote.servers) == (EngineName.REMOTE, ("a:1", "b:2", "c:3"))
    assert "secret" not in repr(options(server=["a:1"], token="secret").engine_settings)  # noqa: S106


def test_a_share_of_the_job() -> None:
    assert options(shares=4, share=2).job_settings.share == Share(index=2, of=4)
    assert options(share=2).job_settings.share == Share()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"engine": EngineName.REMOTE}, "needs --server"),
        ({"engine": EngineName.LOCAL, "server": ["a:1"]}, "asks no server"),
        ({"server": ["a:1"], "timings": True}, "--timings"),
        ({"version": 1, "alias": "stable"}, "not both"),
        ({"server": ["a:1"], "client_key": Path("key.pem")}, "belong together"),
        ({"shares": 4}, "JOB_COMPLETION_INDEX"),
        ({"shares": 4, "share": 4}, "from 0 to 3"),
        ({"shares": 4, "share": 1, "restart": True}, "--restart"),
    ],
)
def test_contradictions_are_wrong_use(given: dict[str, Any], words: str) -> None:
    chosen = options(**given)
    with pytest.raises(OptionsInvalid, match=words):
        _ = chosen.engine_settings, chosen.job_settings
