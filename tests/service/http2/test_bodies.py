"""Calls whose frames are not as gRPC's clients send them, or come when they are no longer wanted, said by hand
(service/http2/streams.py and bodies.py).
"""

import asyncio

import pytest

from service.http2 import replies
from service.http2 import streams as streams_module
from service.http2.frames import DATA, END_STREAM, HEADERS, PING, RST_STREAM, ErrorCode, frame
from tests.service.http2.conftest import Door
from tests.service.http2.peer import message, peer

BODIES = [
    ("no message", b"", "12"),
    ("two messages", message(b"a") + message(b"b"), "12"),
    ("half a message", message(b"hello")[:8], "13"),
    ("half a length", b"\0\0", "13"),
    ("a message that says it is compressed", b"\1" + message(b"a")[1:], "13"),
    ("a message and a half", message(b"a") + b"\0", "13"),
]


@pytest.mark.parametrize(("body", "status"), [body[1:] for body in BODIES], ids=[body[0] for body in BODIES])
async def test_a_body_that_is_not_one_message(door: Door, body: bytes, status: str) -> None:
    """In one frame, in two, and with the end behind it."""
    async with peer(door.port) as client:
        half = len(body) // 2
        client.say(
            client.head(1),
            frame(DATA, END_STREAM, 1, body),
            client.head(3),
            frame(DATA, 0, 3, body[:half]),
            frame(DATA, END_STREAM, 3, body[half:]),
            client.head(5),
            frame(DATA, 0, 5, body),
            frame(DATA, END_STREAM, 5),
        )
        for stream in (1, 3, 5):
            assert (await client.answer(stream)).status == status
        assert door.handlers.seen == []


async def test_a_head_that_ends_the_call_has_no_message(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.head(1, ended=True))
        assert (await client.answer(1)).status == "12"


async def test_more_after_the_end_resets_the_call(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.call(1, _path="/test.Echo/Wait"), frame(DATA, 0, 1, b"more"))
        assert (await client.answer(1)).reset is ErrorCode.STREAM_CLOSED
        client.say(client.call(3, _path="/test.Echo/Wait"), client.head(3, ended=True))
        assert (await client.answer(3)).reset is ErrorCode.STREAM_CLOSED
        client.say(client.call(5))
        assert (await client.answer(5)).status == "0"


async def test_trailers_of_a_client_end_its_call(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.head(1), frame(DATA, 0, 1, message(b"hello")))
        block = client.encoder.encode([("x-checksum", "1")])
        client.say(frame(HEADERS, 0x5, 1, block), client.call(3))
        assert (await client.answer(1)).body == message(b"hello")
        assert (await client.answer(3)).body == message(b"hello")


async def test_a_stream_is_used_once(door: Door) -> None:
    """A second head on it is reset, and its fields count for the table all the same."""
    async with peer(door.port) as client:
        client.say(client.call(1))
        assert (await client.answer(1)).status == "0"
        client.say(client.call(1, x_new="field"), client.call(3, x_new="field"))
        assert (await client.answer(1)).reset is ErrorCode.STREAM_CLOSED
        assert (await client.answer(3)).status == "0"


async def test_what_is_left_of_a_call_that_was_answered_is_not_wanted(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told so without an error, and after a while (RFC 9113, section 8.1)."""
    monkeypatch.setattr(streams_module, "LINGER_SECONDS", 0.1)
    async with peer(door.port) as client:
        client.say(client.head(1, _path="/test.Echo/Nothing"))
        assert (await client.answer(1)).status == "12"
        assert (await client.answer(1)).reset is ErrorCode.NO_ERROR


async def test_who_is_refused_hears_of_it_when_all_is_sent(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else gRPC's clients fail to send, and do not tell why."""
    monkeypatch.setattr(replies, "FAREWELL_SECONDS", 60.0)
    async with peer(door.port) as client:
        client.say(client.head(1, _path="/test.Echo/Nothing"), frame(DATA, 0, 1, message(b"a")))
        client.say(frame(PING, 0, 0, bytes(8)))
        await client.hear(PING)
        client.say(frame(DATA, END_STREAM, 1, message(b"b")))
        assert (await client.answer(1)).status == "12"
        client.say(client.call(3))
        assert (await client.answer(3)).status == "0"


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"_method": "GET"}, "405"), ({"content_type": "text/plain"}, "415"), ({"content_type": None}, "415")],
)
async def test_what_is_no_call_of_grpc_has_a_status_of_http(
    door: Door, fields: dict[str, str | None], status: str
) -> None:
    async with peer(door.port) as client:
        client.say(client.call(1, **fields))
        assert (await client.answer(1)).fields == {":status": status}


async def test_a_request_that_is_none_is_reset(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.call(1, _path=None), client.call(3))
        assert (await client.answer(1)).reset is ErrorCode.PROTOCOL_ERROR
        assert (await client.answer(3)).status == "0"


async def test_a_reset_that_comes_too_late_harms_nothing(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.call(1))
        await client.answer(1)
        client.say(frame(RST_STREAM, 0, 1, bytes(4)), client.call(3))
        assert (await client.answer(3)).status == "0"


async def test_calls_of_one_read_run_side_by_side(door: Door) -> None:
    """All are begun before any is computed, and their answers go out with one write."""
    async with peer(door.port) as client:
        client.say(*(client.call(stream, _path="/test.Echo/Wait") for stream in range(1, 65, 2)))
        await client.until_answered()
        assert door.handlers.waiting == 32
        (connection,) = door.connections
        written: list[bytes] = []
        connection._outbox._write = written.append
        door.handlers.go_on.set()
        await asyncio.sleep(0.1)
        assert len(written) == 1
