"""What bodies may take that are slow, large, padded or in small pieces (service/http2/bodies.py and intake.py)."""

import asyncio
from dataclasses import replace
from typing import Any

import grpc
import pytest

from service.http2.bodies import MESSAGE_OVERHEAD, Bodies
from service.http2.frames import DATA, END_STREAM, PADDED, WINDOW_UPDATE, frame
from service.http2.head import Head
from service.http2.intake import MESSAGES, Intake
from service.http2.limits import CONNECTION_WINDOW, STREAM_WINDOW
from service.http2.outbox import PREFIX, Outbox, Waiting
from service.http2.stream import Stream
from tests.service.http2.conftest import LIMITS, Door, Handlers, opened
from tests.service.http2.peer import GREETING, Peer, message, peer, settings, window

ROOMY = GREETING + settings(s4=2**24) + window(0, 2**24)
LARGE = message(bytes(2**21))
IDLE = "/test.Echo/Idle"


def taken(door: Door) -> int:
    """Of the room that all share."""
    intake: Any = door.server._site.intake
    return 2 * MESSAGES * int(intake._unit) - int(intake._free) - int(intake._small)


async def upload(client: Peer, body: bytes, *, padding: int = 0) -> None:
    """On stream 1, as much at a time as the server has room for."""
    room, at = STREAM_WINDOW, 0
    size, flags, before = (1000, PADDED, bytes([padding])) if padding else (2**14, 0, b"")
    while at < len(body):
        part = body[at : at + size]
        cost = len(before) + len(part) + padding
        while room < cost:
            _, _, stream, payload = await client.hear(WINDOW_UPDATE)
            room += int.from_bytes(payload, "big") if stream == 1 else 0
        room -= cost
        at += len(part)
        client.say(frame(DATA, flags | (END_STREAM if at == len(body) else 0), 1, before + part + bytes(padding)))


async def test_promises_take_no_room() -> None:
    """However many large messages a client announces, one of another is read as if there were none."""
    async with opened(message_bytes=2**21) as door, peer(door.port) as client, peer(door.port, ROOMY) as other:
        for stream in range(1, 129, 2):
            client.say(client.head(stream), frame(DATA, 0, stream, LARGE[:5]))
        await client.until_answered()
        assert taken(door) == 64 * 5
        other.say(other.head(1))
        await upload(other, LARGE)
        assert (await other.answer(1)).body == LARGE
        assert taken(door) == 64 * 5


async def test_room_is_granted_as_bytes_come() -> None:
    """No more ahead than has come."""
    async with opened(message_bytes=2**21) as door, peer(door.port) as client:
        client.say(client.head(1), frame(DATA, 0, 1, LARGE[: STREAM_WINDOW // 2]))
        await client.until_answered()
        assert taken(door) == STREAM_WINDOW // 2
        client.say(frame(DATA, 0, 1, b"x"))
        await client.until_answered()
        assert taken(door) == STREAM_WINDOW // 2 + 1 + STREAM_WINDOW
        client.close()
        while taken(door):  # noqa: ASYNC110 - the state of another part
            await asyncio.sleep(0.01)
        assert door.server._site.intake.untouched


async def test_what_comes_is_counted_though_nothing_is_granted() -> None:
    """Of calls that announce much and send what their windows let them; one connection takes only its share."""
    async with opened(message_bytes=2**20) as door, peer(door.port) as client:
        refused = asyncio.create_task(client.answer(99))
        for stream in range(1, 101, 2):
            client.say(client.head(stream), frame(DATA, 0, stream, message(bytes(2**20))[:STREAM_WINDOW]))
            await client.sent()
        assert (await refused).status == "8"
        assert CONNECTION_WINDOW <= taken(door) <= 5 * CONNECTION_WINDOW


async def test_short_messages_count_what_they_take() -> None:
    """For a handler that does not read; when it has read them they count no more."""
    body = message(b"ab") * 10_000
    async with opened() as door, peer(door.port, ROOMY) as client:
        client.say(client.head(1, _path=IDLE), frame(DATA, 0, 1, body))
        await client.until_answered()
        assert taken(door) == len(body) + 10_000 * MESSAGE_OVERHEAD
        for stream in range(3, 21, 2):
            client.say(client.head(stream, _path=IDLE), frame(DATA, END_STREAM, stream, body))
        assert (await client.answer(19)).status == "8"
        door.handlers.go_on.set()
        client.say(frame(DATA, END_STREAM, 1))
        assert (await client.answer(1)).body == message(b"ab" * 10_000)
        while taken(door):  # noqa: ASYNC110 - the others are read too
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("method", "begun"),
    [("Echo", message(b"hello")), ("Join", message(b"a") + message(b"b")[:-1])],
    ids=["a call", "a stream"],
)
async def test_nobody_is_kept_by_frames_that_bring_nothing(method: str, begun: bytes) -> None:
    """Behind a whole message without its end, or behind the beginning of the next one."""
    async with opened(body_seconds=0.3) as door, peer(door.port) as client:
        client.say(client.head(1, _path=f"/test.Echo/{method}"), frame(DATA, 0, 1, begun))
        answering = asyncio.create_task(client.answer(1))
        while not answering.done():
            client.say(frame(DATA, 0, 1))
            await asyncio.sleep(0.02)
        assert answering.result().status == "4"


async def test_a_message_that_waits_for_its_handler_is_not_late() -> None:
    """What stands before it is not read yet, so its client may have no room to go on."""
    async with opened(body_seconds=0.2) as door, peer(door.port) as client:
        client.say(client.head(1, _path=IDLE), frame(DATA, 0, 1, message(b"a") + message(b"b")[:-1]))
        await asyncio.sleep(0.6)
        client.say(frame(DATA, END_STREAM, 1, b"b"))
        door.handlers.go_on.set()
        assert (await client.answer(1)).body == message(b"ab")


async def test_padding_takes_no_room_for_good() -> None:
    """Behind every kilobyte a quarter of one."""
    async with opened(message_bytes=2**21) as door, peer(door.port, ROOMY) as client:
        client.say(client.head(1))
        await upload(client, LARGE, padding=250)
        assert (await client.answer(1)).body == LARGE
        assert door.server._site.intake.untouched


async def test_room_for_padding_that_does_not_come_is_not_counted_when_the_message_is_taken() -> None:
    """A client pads a frame of a large message and not the last one, and its call goes on."""
    intake, limits = Intake(message_bytes=2**21), replace(LIMITS, message_bytes=2**21)
    bodies = Bodies(Outbox(lambda _: None, Waiting()), intake, limits)
    stream = Stream(1, Head(), now=0.0, window=0)
    stream.handler = grpc.stream_stream_rpc_method_handler(Handlers().both)
    body, at = message(bytes(1_037_996)), 0
    for size, padding in ((2**18, 0), (2**18, 0), (513_580, 133), (133, 0)):
        bodies.receive(stream, body[at : at + size], size + padding, 0.0, ended=False)
        at += size
    assert await bodies.next_message(stream) == body[PREFIX:]
    assert (stream.held, stream.granted) == (0, 0)
    assert intake.untouched


async def test_nothing_but_padding_takes_no_room_for_good() -> None:
    async with opened() as door, peer(door.port, ROOMY) as client:
        client.say(client.head(1))
        for _ in range(2):
            client.say(frame(DATA, PADDED, 1, b"\xc7" + bytes(199)) * (STREAM_WINDOW // 200))
            await client.until_answered()
        await upload(client, message(b"hello"))
        assert (await client.answer(1)).body == message(b"hello")
