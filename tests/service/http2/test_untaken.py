"""Answers that a client does not take (service/http2/streams.py, replies.py): they have an end, and a limit."""

import asyncio
import subprocess
import sys
from typing import Any

import grpc
import pytest

from service.http2 import streams as streams_module
from service.http2.frames import DATA, ErrorCode
from service.http2.outbox import PREFIX
from service.http2.replies import ANSWERS
from tests.service.http2.conftest import Door, opened
from tests.service.http2.peer import GREETING, message, peer, settings, window

NO_ROOM = GREETING + settings(s4=0)


@pytest.mark.parametrize("method", ["Echo", "Count", "Write"])
async def test_an_answer_that_nobody_takes_is_dropped(door: Door, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of several messages, whose handler waits for room; it ends."""
    monkeypatch.setattr(streams_module, "STALLED_SECONDS", 0.1)
    async with peer(door.port, NO_ROOM) as client:
        client.say(client.call(1, b"5", _path=f"/test.Echo/{method}"))
        assert (await client.answer(1)).reset is ErrorCode.CANCEL
        await client.until_answered()
        (connection,) = door.connections
        assert connection._outbox.waiting_bytes == 0
        assert len(connection._streams) == 0


async def test_a_byte_now_and_then_keeps_no_answer(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "STALLED_SECONDS", 0.2)
    async with peer(door.port, NO_ROOM) as client:
        client.say(client.call(1, b"x" * 1000))
        taking = asyncio.create_task(client.answer(1))
        while not taking.done():
            client.say(window(1, 1))
            await asyncio.sleep(0.02)
        assert (await taking).reset is ErrorCode.CANCEL


async def test_answers_that_wait_have_a_limit() -> None:
    """Those beyond it end with an error, which needs no room; the others are whole."""
    async with opened(message_bytes=2**16) as door, peer(door.port, NO_ROOM) as client:
        calls = range(1, 25, 2)
        client.say(*(client.call(at, bytes(2**15), _path="/test.Echo/Wait") for at in calls))
        while door.handlers.waiting < len(calls):  # noqa: ASYNC110 - the state of another part
            await asyncio.sleep(0.01)
        door.handlers.go_on.set()
        refused = set(calls)
        await client.until_answered()
        (connection,) = door.connections
        assert connection._outbox.waiting_bytes <= ANSWERS * (PREFIX + 2**16)
        assert len(connection._streams) == 3
        client.say(settings(s4=2**20), window(0, 2**20))
        bodies = 0
        while bodies < 3 * (PREFIX + 2**15):
            _, _, at, payload = await client.hear(DATA)
            bodies += len(payload)
            refused.discard(at)
        assert len(refused) == len(calls) - 3
        client.say(client.call(99))
        assert (await client.answer(99)).body == message(b"hello")


async def test_all_calls_may_be_cancelled_at_once() -> None:
    """By a client that waits for the answer of another."""
    async with (
        opened(streams=4096) as door,
        grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel,
    ):
        wait: Any = channel.unary_unary("/test.Echo/Wait")
        kept, calls = wait(b"kept", timeout=60), [wait(b"x", timeout=60) for _ in range(4090)]
        while door.handlers.waiting < 4091:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        for call in calls:
            call.cancel()
        while door.handlers.cancelled < 4090:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        door.handlers.go_on.set()
        assert await kept == b"kept"


def test_a_service_without_this_door_does_not_load_it() -> None:
    """Nor what only it needs."""
    code = "import sys, service.__main__, service.bootstrap; print('hpack' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
