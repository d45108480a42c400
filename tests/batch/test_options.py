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
    "format": None,
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
    "token_file": None,
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


@pytest.mark.parametrize(
    ("output", "format", "written"),
    [
        ("labels", None, Format.PARQUET),
        ("labels.parquet", None, Format.PARQUET),
        ("a/labels.csv/", None, Format.CSV),
        ("s3://b/labels.jsonl", None, Format.JSONL),
        ("labels.csv", Format.PARQUET, Format.PARQUET),
    ],
)
def test_the_ending_of_the_output_says_the_format(output: str, format: Format | None, written: Format) -> None:  # noqa: A002
    """Unless it is named."""
    assert options(output=output, format=format).job_settings.format is written


@pytest.mark.parametrize(("source", "output"), [("photos", "photos-labels"), ("photos/2026", "photos/labels")])
def test_an_output_beside_the_source(source: str, output: str) -> None:
    assert options(source=source, output=output).job_settings.source == source


def test_a_share_of_the_job() -> None:
    assert options(shares=4, share=2).job_settings.share == Share(index=2, of=4)
    assert options(share=2).job_settings.share == Share()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"engine": EngineName.REMOTE}, "needs --server"),
        ({"engine": EngineName.LOCAL, "server": ["a:1"]}, "asks no server"),
        ({"server": ["a:1"], "timings": True}, "--timings"),
        ({"server": ["http://a:1"]}, "--server is HOST:PORT"),
        ({"server": ["a:1,"]}, "--server is HOST:PORT"),
        ({"output": "photos/labels"}, "lies inside the source"),
        ({"output": "photos"}, "lies inside the source"),
        ({"source": "memory://b/in", "output": "memory://b/in/out"}, "lies inside the source"),
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


def test_a_token_comes_from_a_file(tmp_path: Path) -> None:
    """As secrets are mounted, with or without an end of line; what is in the file is never shown."""
    file, kept, given = tmp_path / "token", "rec_kept", "rec_given"
    file.write_text(f"{kept}\n")
    assert options(server=["host:1"], token_file=file).engine_settings.token == kept
    assert options(server=["host:1"], token=given).engine_settings.token == given
    with pytest.raises(OptionsInvalid, match="leave one out"):
        _ = options(server=["host:1"], token_file=file, token=given).engine_settings
    for content in (b"", b"two words", b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(OptionsInvalid, match="--token-file") as refused:
            _ = options(server=["host:1"], token_file=file).engine_settings
        assert "two" not in str(refused.value)
