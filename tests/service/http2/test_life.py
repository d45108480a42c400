"""How long connections live (service/http2/life.py and server.py), and that none is left with a call on its way."""

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from structlog.testing import capture_logs

from service.http2 import life
from service.http2 import server as server_module
from service.http2.frames import ACK, GOAWAY, PING, ErrorCode, frame
from service.http2.numbers import Numbers
from service.http2.outbox import Outbox, Waiting
from tests.service.http2.conftest import LIMITS, opened
from tests.service.http2.peer import message, peer

if TYPE_CHECKING:
    from service.http2.streams import Streams


async def test_an_idle_connection_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the client does not answer the ping behind the farewell."""
    monkeypatch.setattr(life, "ANSWER_SECONDS", 0.1)
    async with opened(idle_seconds=0.1) as door, peer(door.port) as client:
        assert (await client.goaway())[0] is ErrorCode.NO_ERROR
        await client.until_closed()


async def test_a_connection_with_a_call_is_not_idle() -> None:
    async with opened(idle_seconds=0.2) as door, peer(door.port) as client:
        client.say(client.call(1, _path="/test.Echo/Wait"))
        await asyncio.sleep(0.6)
        door.handlers.go_on.set()
        assert (await client.answer(1)).status == "0"


async def test_calls_that_cross_the_farewell_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first says which calls may still come, the ping behind it when they have, the second which were the last."""
    monkeypatch.setattr(life, "ANSWER_SECONDS", 60.0)
    async with opened(age_seconds=0.2) as door, peer(door.port) as client:
        client.say(client.call(1, _path="/test.Echo/Wait"))
        *_, first = await client.hear(GOAWAY)
        assert first[:4] == b"\x7f\xff\xff\xff"
        *_, asked = await client.hear(PING)
        client.say(client.call(3))
        assert (await client.answer(3)).status == "0"
        client.say(frame(PING, ACK, 0, asked))
        *_, second = await client.hear(GOAWAY)
        assert second == bytes([0, 0, 0, 3]) + bytes(4)
        door.handlers.go_on.set()
        assert (await client.answer(1)).body == message(b"hello")
        await client.until_closed()


async def test_an_old_connection_is_left_without_losing_a_call() -> None:
    """A real client opens another; a stream goes on over the old one."""
    async with (
        opened(age_seconds=0.2) as door,
        grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel,
    ):
        stream: Any = channel.stream_stream("/test.Echo/Both")(timeout=60)
        await stream.write(b"first")
        assert await stream.read() == b"first"
        echo: Any = channel.unary_unary("/test.Echo/Echo")
        end = asyncio.get_running_loop().time() + 0.8
        while asyncio.get_running_loop().time() < end:
            assert await echo(b"x", timeout=60) == b"x"
        await stream.write(b"last")
        assert await stream.read() == b"last"
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF


class SlowTransport(asyncio.Transport):
    """Still has something to hand to its client."""

    def __init__(self) -> None:
        super().__init__(extra={})
        self.size = 1000
        self.calls: list[str] = []

    def get_write_buffer_size(self) -> int:
        return self.size

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None:
        self.calls.append("write_eof")

    def abort(self) -> None:
        self.calls.append("abort")


class NoStreams:
    """All calls were answered."""

    def __init__(self) -> None:
        self.numbers = Numbers()

    def __len__(self) -> int:
        return 0


def leaving(transport: SlowTransport) -> life.Life:
    """At the time 0; whoever was asked has said that no call is on its way."""
    outbox, limits = Outbox(lambda _: None, Waiting()), replace(LIMITS, keepalive_seconds=1000.0)
    found = life.Life(transport, outbox, cast("Streams", NoStreams()), limits, 0.0)
    found.leave(0.0, "max_age")
    outbox.flush()
    found.acknowledged(life.LAST_WORDS, 0.0)
    outbox.flush()
    return found


async def test_the_last_answer_is_waited_for_until_the_client_has_it() -> None:
    """The handler is done long before."""
    transport = SlowTransport()
    old = leaving(transport)
    old.tick(30.0)
    assert transport.calls == []
    transport.size = 0
    old.tick(30.3)
    old.tick(time.monotonic() + life.LINGER_SECONDS / 2)
    assert transport.calls == ["write_eof"]
    old.tick(time.monotonic() + life.LINGER_SECONDS + 1)
    assert transport.calls == ["write_eof", "abort"]


async def test_a_client_that_never_takes_it_is_not_waited_for() -> None:
    transport = SlowTransport()
    old = leaving(transport)
    old.tick(life.TAKE_SECONDS + 1)
    assert transport.calls == ["write_eof"]


async def test_a_connection_is_not_idle_while_an_answer_is_on_its_way() -> None:
    transport = SlowTransport()
    limits = replace(LIMITS, keepalive_seconds=1000.0)
    young = life.Life(transport, Outbox(lambda _: None, Waiting()), cast("Streams", NoStreams()), limits, 0.0)
    young.tick(100.0)
    transport.size = 0
    young.tick(LIMITS.idle_seconds + 1)
    assert not young.is_leaving
    young.tick(100.0 + LIMITS.idle_seconds + 1)
    assert young.is_leaving


async def test_a_connection_whose_clock_fails_does_not_stop_that_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, and the log has why."""
    monkeypatch.setattr(server_module, "TICK_SECONDS", 0.01)
    async with opened() as door, peer(door.port) as broken:
        await broken.until_answered()
        (connection,) = door.connections
        async with peer(door.port) as client:
            with capture_logs() as log:
                monkeypatch.setattr(connection, "tick", lambda now: 1 / 0)
                await broken.until_closed()
            assert [entry["event"] for entry in log] == ["connection failed"]
            client.say(client.call(1, _path="/test.Echo/Wait", grpc_timeout="100m"))
            assert (await client.answer(1)).status == "4"


async def test_a_client_that_does_not_answer_pings_is_gone() -> None:
    """As one whose network is; it is asked after a while of silence."""
    async with opened(keepalive_seconds=0.1, keepalive_answer_seconds=0.2) as door, peer(door.port) as client:
        await client.hear(PING)
        await client.until_closed()


async def test_a_client_that_takes_an_answer_slowly_is_there_until_it_takes_no_more() -> None:
    """The ping waits behind the answer, so that it cannot be answered in time."""
    transport = SlowTransport()
    transport.size = 2**20
    outbox = Outbox(lambda _: None, Waiting())
    slow = life.Life(transport, outbox, cast("Streams", NoStreams()), LIMITS, 0.0)
    outbox.put(bytes(2**20))
    outbox.flush()
    for second in range(61, 121, 5):
        slow.tick(float(second))
        transport.size -= 2**14
    assert transport.calls == []
    slow.tick(121.0)
    slow.tick(140.0)
    assert transport.calls == []
    slow.tick(142.0)
    assert transport.calls == ["abort"]


async def test_a_client_that_answers_stays() -> None:
    async with opened(keepalive_seconds=0.1, keepalive_answer_seconds=20.0) as door, peer(door.port) as client:
        for _ in range(3):
            *_, asked = await client.hear(PING)
            client.say(frame(PING, ACK, 0, asked))
        client.say(client.call(1))
        assert (await client.answer(1)).status == "0"


async def test_a_stop_waits_for_calls_that_are_under_way() -> None:
    """And takes no new connection meanwhile."""
    async with opened() as door, peer(door.port) as client:
        client.say(client.call(1, _path="/test.Echo/Wait"))
        await client.until_answered()
        stopping = asyncio.create_task(door.server.stop(30.0))
        await client.hear(GOAWAY)
        *_, asked = await client.hear(PING)
        client.say(frame(PING, ACK, 0, asked))
        with pytest.raises(OSError, match=r".*"):
            await asyncio.open_connection("127.0.0.1", door.port)
        door.handlers.go_on.set()
        assert (await client.answer(1)).status == "0"
        await client.until_closed()
        client.close()
        await stopping


async def test_a_stop_does_not_wait_for_ever() -> None:
    async with opened() as door, peer(door.port) as client:
        client.say(client.call(1, _path="/test.Echo/Wait"))
        await client.until_answered()
        await door.server.stop(0.1)
        await client.until_closed()
        assert door.connections == []


async def test_a_server_that_was_not_started_can_be_stopped() -> None:
    """The port is free again then."""
    async with opened() as door:
        pass
    await door.server.stop(None)
