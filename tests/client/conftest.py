"""A service to ask, and both clients that ask it."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from recognition_client import AsyncRecognitionClient, RecognitionClient, channel

from tests.client.fake_service import FakeService, RunningServer


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the attempts of a call, of which many are counted here; test_channel.py has the real ones."""
    monkeypatch.setattr(channel, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def target(service: FakeService) -> Iterator[str]:
    server = RunningServer(service)
    yield server.target
    server.stop()


@pytest.fixture
def client(target: str) -> Iterator[RecognitionClient]:
    with RecognitionClient(target) as client:
        yield client


@pytest.fixture
async def aio_client(target: str) -> AsyncIterator[AsyncRecognitionClient]:
    async with AsyncRecognitionClient(target) as client:
        yield client


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address where nothing listens, and nobody else begins to."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{silent.getsockname()[1]}"
