"""The composition (service/bootstrap.py): each setting reaches what it is meant for, and each port what it promises."""

import asyncio
import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc_reflection.v1alpha import reflection_pb2
from recognition.v1 import recognition_pb2 as pb

from service.bootstrap import SERVICE_NAME, build_server
from service.config import Settings
from service.engine.providers import Device, ProviderUnavailable, cuda_obstacle
from service.models.manifest import MANIFEST_FILE
from service.models.signature import SIGNATURE_FILE
from service.ports import StartRefused
from tests.service.in_process import QUICK, InProcess, held, serving
from tests.service.packages import encode, picture

IMAGE = encode(picture(0))


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


async def test_clients_can_ask_which_services_there_are(service: InProcess) -> None:
    """Reflection names the recognition API, health and itself."""
    ask: grpc.aio.StreamStreamMultiCallable[Any, Any] = service.channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    answers = [answer async for answer in ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))]
    names = {entry.name for entry in answers[0].list_services_response.service}
    assert names >= {SERVICE_NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


async def test_a_message_may_be_as_large_as_the_settings_say(models: Path) -> None:
    """A larger one ends the call; the next is answered."""
    async with serving(models, max_message_bytes=2**16, max_image_bytes=2**20) as service:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.stub.Classify(pb.ClassifyRequest(image=bytes(2**16 + 1)))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await service.stub.Classify(pb.ClassifyRequest(image=IMAGE))


async def test_batches_are_cut_by_the_settings(models: Path) -> None:
    """What waits together travels together, up to the largest batch."""
    async with serving(models, max_batch_size=4) as service:
        with held(service.live()) as release:
            calls = [service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(12)]
            await service.until_inside(12)
            release.set()
            sizes = [(await call).times.batch_size for call in calls]
        assert max(sizes) == 4
        assert service.sum("recognition_batch_closed_total", cause="full") >= 2


async def test_kept_outputs_are_counted(models: Path) -> None:
    """With `cache_bytes` the same file is computed once; without, each time, and nothing is looked up."""
    for settings, lookups, batches in (({"cache_bytes": 2**20}, 3, 1), ({}, 0, 3)):
        async with serving(models, **settings) as service:
            answers = [await service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(3)]
            assert len({answer.classification.SerializeToString() for answer in answers}) == 1
            assert service.sum("recognition_batch_closed_total") == batches
            assert service.sum("recognition_cache_lookups_total") == lookups
            assert service.sum("recognition_cache_lookups_total", outcome="hit") == max(0, lookups - 1)
            assert (service.sum("recognition_cache_bytes") > 0) is bool(settings)


async def test_without_http_there_is_no_port(service: InProcess) -> None:
    """`--no-http` binds nothing."""
    assert service.http_port == 0
    assert service.events("ports bound")[0]["http_port"] is None


async def test_probes_follow_the_life_of_the_server(models: Path) -> None:
    """/livez while the process runs; /readyz from ready to the first signal."""
    probes = ("/livez", "/readyz")
    async with serving(models, http=True, drain_seconds=60.0) as service:
        assert [await asyncio.to_thread(status, service.http_port, path) for path in probes] == [200, 200]
        service.server.request_stop()
        shut_down = asyncio.create_task(service.server.shut_down())
        await service.until_health("NOT_SERVING")
        assert [await asyncio.to_thread(status, service.http_port, path) for path in probes] == [200, 503]
        service.server.request_stop()
        await shut_down


def status(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status
