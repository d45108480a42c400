"""The composition (service/bootstrap.py): each setting reaches what it is meant for."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from service.bootstrap import build_server
from service.config import Settings
from service.engine.providers import Device, ProviderUnavailable, cuda_obstacle
from service.models.manifest import MANIFEST_FILE
from service.models.signature import SIGNATURE_FILE
from service.ports import StartRefused
from tests.service.in_process import QUICK, InProcess, serving


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port that another server has."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize("name", ["grpc_port", "http_port", "metrics_port"])
async def test_a_busy_port_is_named_with_the_option_to_change(models: Path, busy_port: int, name: str) -> None:
    """Nothing is shared with another server silently."""
    settings = Settings(**(QUICK | {"models": models, "http": True, name: busy_port}))
    with pytest.raises(StartRefused, match=f"port {busy_port} on 127.0.0.1 .*--{name.replace('_', '-')}"):
        await build_server(settings)


async def test_a_host_that_is_not_here_is_named(models: Path) -> None:
    """An address of another machine cannot be bound."""
    settings = Settings(**(QUICK | {"models": models, "host": "192.0.2.1"}))
    with pytest.raises(StartRefused, match=r"192\.0\.2\.1"):
        await build_server(settings)


@pytest.mark.skipif(cuda_obstacle() is None, reason="CUDA can be had here")
async def test_cuda_is_never_replaced_silently(models: Path) -> None:
    """Asked for and not to be had: no start on the CPU."""
    with pytest.raises(ProviderUnavailable, match=r"CUDA was asked for, but .*--device cpu"):
        await build_server(Settings(**(QUICK | {"models": models, "device": Device.CUDA})))


async def test_a_signed_package_is_served_where_its_key_is_trusted(models: Path, tmp_path: Path) -> None:
    """The setting reaches the repository."""
    key, package = Ed25519PrivateKey.generate(), models / "thirds" / "1"
    public = tmp_path / "release.pub"
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (package / SIGNATURE_FILE).write_bytes(key.sign((package / MANIFEST_FILE).read_bytes()))
    async with serving(models, trusted_keys=public) as service:
        assert [entry["model"] for entry in service.events("model ready")] == ["thirds"]


async def test_the_log_says_where_and_why_it_computes(service: InProcess) -> None:
    """Provider, ports and each model, before `ready`."""
    events = [entry["event"] for entry in service.log if entry["log_level"] != "debug"]
    assert events == ["provider chosen", "ports bound", "model ready", "ready"]
    assert service.log[0]["reason"] == "the settings ask for the CPU"
    (model,) = service.events("model ready")
    assert (model["model"], model["version"], model["provider"]) == ("thirds", 1, "CPUExecutionProvider")
