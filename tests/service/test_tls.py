"""TLS on every port: who is let in, certificates that change while calls are under way, files that cannot be used."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from service.config import SettingsInvalid, read_settings
from service.tls import Certificates, CertificatesInvalid
from tests.service.api.house import classify
from tests.service.certificates import Authority
from tests.service.in_process import InProcess, serving
from tests.service.packages import encode, picture

IMAGE = encode(picture(2))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def ask(service: InProcess, credentials: grpc.ChannelCredentials) -> str:
    """The best label, over a connection of its own to each of the gRPC ports."""
    labels = {await ask_at(port, credentials) for port in (service.grpc_port, service.fast_grpc_port)}
    assert len(labels) == 1
    return labels.pop()


async def ask_at(port: int, credentials: grpc.ChannelCredentials) -> str:
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials) as channel:
        answer = await RecognitionServiceStub(channel).Classify(classify(IMAGE), timeout=20)
        return str(answer.classification.predictions[0].label)


async def fetched(port: int, path: str, context: object) -> int:
    async with httpx.AsyncClient(verify=context) as client:  # type: ignore[arg-type]
        return (await client.get(f"https://localhost:{port}{path}")).status_code


async def test_every_port_speaks_tls(models: Path, tmp_path: Path, authority: Authority) -> None:
    """And nothing else."""
    files = authority.write(tmp_path)
    async with serving(
        models, http=True, fast_grpc_port=0, tls_certificate=files.certificate, tls_key=files.key
    ) as service:
        assert await ask(service, authority.of_client()) == "right"
        assert await fetched(service.http_port, "/v1/models", authority.context()) == 200
        assert await fetched(service.metrics_port, "/metrics", authority.context()) == 200
        with pytest.raises(grpc.aio.AioRpcError):
            await service.stub.Classify(classify(IMAGE), timeout=20)
        for port in (service.http_port, service.metrics_port):
            async with httpx.AsyncClient() as client:
                with pytest.raises(httpx.TransportError):
                    await client.get(f"http://localhost:{port}/livez")


async def test_clients_show_certificates_where_they_are_asked_to(
    models: Path, tmp_path: Path, authority: Authority
) -> None:
    """On the API's ports; a probe has none to show."""
    files = authority.write(tmp_path)
    tls = {"tls_certificate": files.certificate, "tls_key": files.key, "tls_client_ca": files.client_ca}
    async with serving(models, http=True, fast_grpc_port=0, **tls) as service:
        assert await ask(service, authority.of_client(shows_certificate=True)) == "right"
        assert await fetched(service.http_port, "/v1/models", authority.context(tmp_path)) == 200
        assert await fetched(service.metrics_port, "/readyz", authority.context()) == 200
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(service, authority.of_client())
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.aio.AioRpcError):
            await ask_at(service.fast_grpc_port, authority.of_client())
        with pytest.raises(httpx.TransportError):
            await fetched(service.http_port, "/livez", authority.context())


async def test_new_certificates_are_taken_without_dropping_a_call(
    models: Path, tmp_path: Path, authority: Authority
) -> None:
    """A stream goes on over the change; new connections see the new authority at once, on every port."""
    files = authority.write(tmp_path)
    tls = {"tls_certificate": files.certificate, "tls_key": files.key}
    async with serving(models, http=True, fast_grpc_port=0, **tls) as service:
        async with grpc.aio.secure_channel(f"localhost:{service.grpc_port}", authority.of_client()) as channel:
            call: Any = RecognitionServiceStub(channel).ClassifyStream(timeout=60)
            await call.write(pb.ClassifyStreamRequest(id="before", image=IMAGE))
            assert (await call.read()).id == "before"
            other = Authority()
            other.write(tmp_path)
            assert await ask(service, other.of_client()) == "right"
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(service, authority.of_client())
            for port, path in ((service.http_port, "/v1/models"), (service.metrics_port, "/metrics")):
                assert await fetched(port, path, other.context()) == 200
                with pytest.raises(httpx.TransportError):
                    await fetched(port, path, authority.context())
            await call.write(pb.ClassifyStreamRequest(id="after", image=IMAGE))
            assert (await call.read()).id == "after"
            await call.done_writing()
        assert len(service.events("certificates reloaded")) == 1


async def test_a_pair_that_does_not_fit_changes_nothing(models: Path, tmp_path: Path, authority: Authority) -> None:
    """As while one file is written and the other is not; the log says so."""
    files = authority.write(tmp_path)
    tls = {"tls_certificate": files.certificate, "tls_key": files.key}
    async with serving(models, fast_grpc_port=0, **tls) as service:
        old_key = await asyncio.to_thread(files.key.read_bytes)
        other = Authority()
        other.write(tmp_path)
        await asyncio.to_thread(files.key.write_bytes, old_key)
        assert await ask(service, authority.of_client()) == "right"
        assert service.events("certificates not reloaded")
        other.write(tmp_path)
        assert await ask(service, other.of_client()) == "right"


@pytest.mark.parametrize("damage", ["missing", "no certificate", "another's key"])
def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path, authority: Authority, damage: str) -> None:
    """One sentence names them; a key is never quoted."""
    files = authority.write(tmp_path)
    if damage == "missing":
        files.key.unlink()
    elif damage == "no certificate":
        files.certificate.write_text("hello", encoding="utf-8")
    else:
        key = files.key.read_bytes()
        Authority().write(tmp_path)
        files.key.write_bytes(key)
    with pytest.raises(CertificatesInvalid, match=r"tls\.crt.*cannot be used") as refused:
        Certificates(files.certificate, files.key)
    assert "PRIVATE KEY" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"tls_certificate": "a.pem"}, "tls_certificate and tls_key belong together"),
        ({"tls_key": "a.pem"}, "tls_certificate and tls_key belong together"),
        ({"tls_client_ca": "a.pem"}, "needs tls_certificate"),
    ],
)
def test_half_a_configuration_is_refused(given: dict[str, str], complaint: str) -> None:
    """Before anything is bound."""
    with pytest.raises(SettingsInvalid, match=complaint):
        read_settings(given)
