"""The whole command against the real service with tokens and TLS, by its options and by the environment."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pyarrow.dataset
import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from batch.__main__ import app
from batch.errors import EngineFailed
from tests.batch.conftest import write_pictures
from tests.service.api.auth.keys import ALL, CANARY, SLOW, THIRDS_ONLY, TOKENS, UNKNOWN, write_tokens
from tests.service.certificates import Authority
from tests.service.in_process import InProcess, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with pictures, tokens and certificates."""
    place = tmp_path_factory.mktemp("secure")
    write_tokens(place / "tokens.toml", TOKENS)
    authority = Authority()
    authority.write(place)
    authority.context(place)
    (place / "root.crt").write_bytes(authority.root)
    write_pictures(place / "pictures", 6)
    return place


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def secure(models: Path, place: Path) -> AsyncIterator[InProcess]:
    """It wants a certificate of the client, and a token."""
    tls = {"tls_certificate": place / "tls.crt", "tls_key": place / "tls.key", "tls_client_ca": place / "clients.crt"}
    async with serving(models, tokens=place / "tokens.toml", **tls) as service:
        yield service


async def run(place: Path, out: Path, secure: InProcess, *options: str, token: str, tls: bool = True) -> Result:
    words = [str(place / "pictures"), "--output", str(out), "--server", f"localhost:{secure.grpc_port}", *options]
    if tls:
        words += ["--root-certificates", str(place / "root.crt")]
        words += ["--client-certificate", str(place / "client.crt"), "--client-key", str(place / "client.key")]
    return await asyncio.to_thread(lambda: CliRunner().invoke(app, words, env={"RECOGNITION_TOKEN": token}))


@pytest.mark.parametrize("token", [ALL, THIRDS_ONLY, SLOW])
async def test_who_may_has_its_rows(place: Path, secure: InProcess, tmp_path: Path, token: str) -> None:
    """Of every image once; who is allowed two calls a second waits."""
    done = await run(place, tmp_path / "out", secure, "--embeddings", token=token)
    assert done.exit_code == 0, done.output
    rows = pyarrow.dataset.dataset(tmp_path / "out").to_table()
    assert sorted(rows.column("label_1").to_pylist()) == ["left", "left", "middle", "middle", "right", "right"]
    assert not any(CANARY.encode() in path.read_bytes() for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(("token", "reason"), [("", "TOKEN_MISSING"), (UNKNOWN, "TOKEN_INVALID")])
async def test_who_may_not_is_told_so(place: Path, secure: InProcess, tmp_path: Path, token: str, reason: str) -> None:
    """In one line with what to do, and without the token."""
    refused = await run(place, tmp_path / "out", secure, token=token)
    assert isinstance(refused.exception, EngineFailed)
    assert reason in str(refused.exception)
    assert "RECOGNITION_TOKEN" in str(refused.exception)
    assert CANARY not in str(refused.exception)


async def test_without_tls_nothing_is_answered(place: Path, secure: InProcess, tmp_path: Path) -> None:
    refused = await run(place, tmp_path / "out", secure, token=ALL, tls=False)
    assert isinstance(refused.exception, EngineFailed)
    assert "--tls" in str(refused.exception)
