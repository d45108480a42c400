"""Tokens and certificates: both clients and the command against the real service, over plain and secure channels."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from recognition_client import AccessDenied, AsyncRecognitionClient, HealthStatus, Overloaded, RecognitionClient
from recognition_client.__main__ import app
from recognition_client.credentials import Credentials
from typer.testing import CliRunner

from tests.service.api.auth.keys import ALL, CANARY, SLOW, THIRDS_ONLY, TOKENS, UNKNOWN, write_tokens
from tests.service.certificates import Authority
from tests.service.in_process import InProcess, serving
from tests.service.packages import PackageRecipe, encode, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")

IMAGE = encode(picture(2))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a repository, tokens and certificates."""
    place = tmp_path_factory.mktemp("place")
    PackageRecipe().write(place / "models")
    write_tokens(place / "tokens.toml", TOKENS)
    authority = Authority()
    authority.write(place)
    authority.context(place)
    (place / "root.crt").write_bytes(authority.root)
    return place


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(place: Path) -> AsyncIterator[InProcess]:
    async with serving(place / "models", tokens=place / "tokens.toml") as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure(place: Path) -> AsyncIterator[InProcess]:
    tls = {"tls_certificate": place / "tls.crt", "tls_key": place / "tls.key", "tls_client_ca": place / "clients.crt"}
    async with serving(place / "models", tokens=place / "tokens.toml", **tls) as service:
        yield service


def certificates(place: Path) -> dict[str, Any]:
    return {
        "root_certificates": place / "root.crt",
        "client_certificate": (place / "client.crt", place / "client.key"),
    }


async def uses_everything(client: AsyncRecognitionClient) -> None:
    assert (await client.classify(IMAGE)).predictions[0].label == "right"
    assert [name async for name, _ in client.classify_stream([("a", IMAGE)])] == ["a"]
    assert await client.health() is HealthStatus.SERVING
    assert len(await client.list_models()) == 1


async def test_a_token_goes_with_every_call(plain: InProcess) -> None:
    """Streams included, over a plain channel."""
    async with AsyncRecognitionClient(f"127.0.0.1:{plain.grpc_port}", token=ALL) as client:
        await uses_everything(client)


@pytest.mark.parametrize("target", ["localhost:{}", "dns:///localhost:{}"])
async def test_tls_both_ways(secure: InProcess, place: Path, target: str) -> None:
    """With a token besides; where gRPC asks for the health of replicas, it brings the token too."""
    port = secure.grpc_port
    async with AsyncRecognitionClient(target.format(port), token=ALL, **certificates(place)) as client:
        await uses_everything(client)


async def test_balancing_with_a_token_and_no_tls(plain: InProcess) -> None:
    """GRPC's own health checks would be turned away, so there are none."""
    async with AsyncRecognitionClient(f"ipv4:127.0.0.1:{plain.grpc_port}", token=ALL) as client:
        await uses_everything(client)


@pytest.mark.parametrize(
    ("token", "reason"), [(None, "TOKEN_MISSING"), (UNKNOWN, "TOKEN_INVALID"), (THIRDS_ONLY, "NOT_PERMITTED")]
)
async def test_who_may_not_is_told_so(plain: InProcess, token: str | None, reason: str) -> None:
    """As AccessDenied with the reason; no text holds the token."""
    async with AsyncRecognitionClient(f"127.0.0.1:{plain.grpc_port}", token=token) as client:
        with pytest.raises(AccessDenied) as denied:
            await client.classify(IMAGE, model="other")
        assert denied.value.reason == reason
        assert CANARY not in repr(denied.value) + str(denied.value)


async def test_who_is_too_fast_is_told_when_to_come_back(plain: InProcess) -> None:
    """The client waits by itself where it may try again."""
    target = f"127.0.0.1:{plain.grpc_port}"
    async with AsyncRecognitionClient(target, token=SLOW, max_attempts=1) as client:
        with pytest.raises(Overloaded) as refused:
            await asyncio.gather(*(client.classify(IMAGE) for _ in range(10)))
        assert refused.value.reason == "RATE_EXCEEDED"
        assert refused.value.retry_after_seconds is not None
    async with AsyncRecognitionClient(target, token=SLOW, timeout_seconds=30) as client:
        for _ in range(3):
            await client.classify(IMAGE)


async def test_the_blocking_client_and_the_command(plain: InProcess, secure: InProcess, place: Path) -> None:
    """By arguments, options and variables."""

    def ask() -> None:
        with RecognitionClient(f"127.0.0.1:{plain.grpc_port}", token=ALL) as client:
            assert client.classify(IMAGE).predictions[0].label == "right"
            assert [name for name, _ in client.classify_stream([("a", IMAGE)])] == ["a"]
        with RecognitionClient(f"localhost:{secure.grpc_port}", token=ALL, **certificates(place)) as client:
            assert client.classify(IMAGE).predictions[0].label == "right"
        picture_file = place / "right.png"
        picture_file.write_bytes(IMAGE)
        options = ["--root-certificates", place / "root.crt", "--client-certificate", place / "client.crt"]
        options += ["--client-key", place / "client.key", "classify", picture_file]
        line = [str(part) for part in (*options, "--server", f"localhost:{secure.grpc_port}")]
        good = CliRunner().invoke(app, line, env={"RECOGNITION_TOKEN": ALL})
        assert (good.exit_code, "right" in good.output) == (0, True)
        bad = CliRunner().invoke(app, line, env={"RECOGNITION_TOKEN": UNKNOWN})
        assert bad.exit_code == 1
        assert "TOKEN_INVALID" in bad.output
        assert "RECOGNITION_TOKEN" in bad.output
        assert CANARY not in bad.output

    await asyncio.to_thread(ask)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "Umläut", "\x00"])
async def test_what_cannot_be_a_header_is_refused(token: str) -> None:
    """Before anything is sent, and without repeating it."""
    with pytest.raises(ValueError, match="printable") as refused:
        Credentials(token=token)
    assert token not in str(refused.value)


async def test_a_token_is_not_part_of_what_is_printed() -> None:
    """As in a log line about the client's configuration."""
    assert CANARY not in repr(Credentials(token=ALL))
