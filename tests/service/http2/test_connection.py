"""One connection (service/http2/connection.py), with a peer that says whatever bytes it likes."""

import asyncio
import struct

import pytest

from service.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITISED,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ErrorCode,
    frame,
)
from service.http2.limits import FRAME
from tests.service.http2.conftest import Door, opened
from tests.service.http2.peer import GREETING, message, peer, settings, window

FAULTS = [
    ("a first frame without settings", PREFACE + frame(PING, 0, 0, bytes(8)), "PROTOCOL_ERROR"),
    ("settings on a stream", GREETING + frame(SETTINGS, 0, 1), "PROTOCOL_ERROR"),
    ("a part of a setting", GREETING + frame(SETTINGS, 0, 0, bytes(5)), "FRAME_SIZE_ERROR"),
    ("an acknowledgement that says something", GREETING + frame(SETTINGS, ACK, 0, bytes(6)), "FRAME_SIZE_ERROR"),
    ("a window that there is not", GREETING + settings(s4=2**31), "FLOW_CONTROL_ERROR"),
    ("frames of one byte", GREETING + settings(s5=1), "PROTOCOL_ERROR"),
    ("a push that is neither on nor off", GREETING + settings(s2=2), "PROTOCOL_ERROR"),
    ("a ping of seven bytes", GREETING + frame(PING, 0, 0, bytes(7)), "FRAME_SIZE_ERROR"),
    ("a ping on a stream", GREETING + frame(PING, 0, 1, bytes(8)), "PROTOCOL_ERROR"),
    ("a reset of no stream", GREETING + frame(RST_STREAM, 0, 0, bytes(4)), "PROTOCOL_ERROR"),
    ("a reset of three bytes", GREETING + frame(RST_STREAM, 0, 1, bytes(3)), "FRAME_SIZE_ERROR"),
    ("a reset before the call", GREETING + frame(RST_STREAM, 0, 1, bytes(4)), "PROTOCOL_ERROR"),
    ("a priority of four bytes", GREETING + frame(PRIORITY, 0, 1, bytes(4)), "FRAME_SIZE_ERROR"),
    ("room for no byte", GREETING + window(0, 0), "PROTOCOL_ERROR"),
    ("room before the call", GREETING + window(1, 1), "PROTOCOL_ERROR"),
    ("more room than there is", GREETING + window(0, 2**31 - 1), "FLOW_CONTROL_ERROR"),
    ("a body of no stream", GREETING + frame(DATA, 0, 0, b"x"), "PROTOCOL_ERROR"),
    ("a body before the call", GREETING + frame(DATA, 0, 1, b"x"), "PROTOCOL_ERROR"),
    ("a head of no stream", GREETING + frame(HEADERS, END_HEADERS, 0, b"\x82"), "PROTOCOL_ERROR"),
    ("a stream of the server's", GREETING + frame(HEADERS, END_HEADERS, 2, b"\x82"), "PROTOCOL_ERROR"),
    ("a promise", GREETING + frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), "PROTOCOL_ERROR"),
    ("nothing to go on with", GREETING + frame(CONTINUATION, END_HEADERS, 1, b"\x82"), "PROTOCOL_ERROR"),
    ("another frame within a head", GREETING + frame(HEADERS, 0, 1, b"\x82") + frame(PING, 0, 0, bytes(8)), None),
    ("another stream within a head", GREETING + frame(HEADERS, 0, 1) + frame(CONTINUATION, 4, 3), None),
    (
        "fields that are none",
        GREETING + frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
        "COMPRESSION_ERROR",
    ),
    ("a field of no table", GREETING + frame(HEADERS, END_HEADERS, 1, b"\xfe"), "COMPRESSION_ERROR"),
    ("more padding than frame", GREETING + frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09\x82"), "PROTOCOL_ERROR"),
    ("half a priority", GREETING + frame(HEADERS, END_HEADERS | PRIORITISED, 1, b"\0\0"), "FRAME_SIZE_ERROR"),
    ("a frame that is too large", GREETING + struct.pack(">HBBBL", (FRAME + 1) >> 8, 1, 0, 0, 1), "FRAME_SIZE_ERROR"),
]


@pytest.mark.parametrize(("said", "code"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
async def test_what_is_not_http2_ends_the_connection(door: Door, said: bytes, code: str | None) -> None:
    """With the code that the RFC has for it; the next connection is answered."""
    async with peer(door.port, said) as client:
        assert (await client.goaway())[0].name == (code or "PROTOCOL_ERROR")
        await client.until_closed()
    async with peer(door.port) as client:
        client.say(client.call(1))
        assert (await client.answer(1)).body == message(b"hello")


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nXX", b"\x16\x03\x01\x02\x00\x01\x00"])
async def test_another_protocol_is_closed_at_once(door: Door, said: bytes) -> None:
    """HTTP/1, TLS: no preface of HTTP/2 begins like that."""
    async with peer(door.port, said) as client:
        await client.until_closed()


async def test_bytes_may_come_one_by_one(door: Door) -> None:
    """Wherever the network cuts them."""
    async with peer(door.port, b"") as client:
        for byte in GREETING + client.call(1) + client.call(3, b"again"):
            client.say(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.answer(1)).body == message(b"hello")
        assert (await client.answer(3)).body == message(b"again")


async def test_padding_priority_and_pieces_of_heads_are_understood(door: Door) -> None:
    """What no client of gRPC sends and every server must read."""
    async with peer(door.port) as client:
        block = client.head(1)[9:]
        padded = b"\x03" + bytes(5) + block[:4] + bytes(3)
        client.say(
            frame(HEADERS, PADDED | PRIORITISED, 1, padded),
            frame(CONTINUATION, 0, 1, block[4:9]),
            frame(CONTINUATION, END_HEADERS, 1, block[9:]),
            frame(PRIORITY, 0, 1, bytes(5)),
            frame(0xEE, 0xFF, 1, b"a frame of the future"),
            frame(DATA, PADDED, 1, b"\x02" + message(b"hello")[:7] + bytes(2)),
            frame(DATA, END_STREAM, 1, message(b"hello")[7:]),
        )
        assert (await client.answer(1)).body == message(b"hello")


async def test_pings_come_back(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(frame(PING, 0, 0, b"12345678"))
        assert await client.hear(PING) == (PING, ACK, 0, b"12345678")


async def test_the_server_says_its_limits_first(door: Door) -> None:
    async with peer(door.port) as client:
        _, flags, stream, payload = await client.hear(SETTINGS)
        told = dict(struct.iter_unpack(">HI", payload))
        assert (flags, stream) == (0, 0)
        assert (told[3], told[5], told[6]) == (100, FRAME, 2**13)
        assert (await client.hear(WINDOW_UPDATE))[2] == 0
        assert (await client.hear(SETTINGS))[1] == ACK


async def test_more_than_the_window_is_not_taken(door: Door) -> None:
    """Neither of a call."""
    async with peer(door.port) as client:
        client.say(client.head(1, _path="/test.Echo/Join"), frame(DATA, 0, 1, bytes(2**18 + 1)))
        assert (await client.goaway())[0] is ErrorCode.FLOW_CONTROL_ERROR


async def test_the_window_of_the_connection_is_filled_up_again(door: Door) -> None:
    """Also where the bytes belong to calls that are over."""
    async with peer(door.port) as client:
        await client.until_answered()
        for stream in range(1, 61, 2):
            client.say(client.head(stream, _path="/test.Echo/Nothing"), frame(DATA, 0, stream, bytes(2**17)))
        given = 0
        while given < 2**20:
            _, _, stream, payload = await client.hear(WINDOW_UPDATE)
            given += int.from_bytes(payload, "big") if stream == 0 else 0
        client.say(client.call(61))
        assert (await client.answer(61)).body == message(b"hello")


async def test_an_answer_waits_for_the_clients_room(door: Door) -> None:
    """For that of its stream, then for that of the connection; a smaller one beside it does not wait."""
    async with peer(door.port, GREETING + settings(s4=10)) as client:
        client.say(client.call(1, b"x" * 70_000))
        received = b""
        while len(received) < 10:
            *_, payload = await client.hear(DATA)
            received += payload
        client.say(client.call(3, b"small"))
        assert (await client.answer(3)).body == message(b"small")
        client.say(window(1, 100_000))
        while len(received) < DEFAULT_WINDOW - 10:
            *_, payload = await client.hear(DATA)
            assert len(payload) <= 2**14
            received += payload
        client.say(window(0, 100_000))
        rest = await client.answer(1)
        assert received + rest.body == message(b"x" * 70_000)
        assert rest.status == "0"


async def test_a_smaller_first_window_counts_for_calls_under_way(door: Door) -> None:
    """It may be negative then, and is filled up before anything is sent."""
    async with peer(door.port) as client:
        client.say(client.call(1, b"x", _path="/test.Echo/Wait"))
        await client.until_answered()
        client.say(settings(s4=0))
        await client.until_answered()
        door.handlers.go_on.set()
        assert (await client.hear(HEADERS))[2] == 1
        client.say(window(1, 3))
        assert (await client.hear(DATA))[3] == message(b"x")[:3]
        client.say(settings(s4=100))
        assert (await client.answer(1)).body == message(b"x")[3:]


async def test_a_head_that_does_not_end_is_not_waited_for() -> None:
    async with opened(handshake_seconds=0.2) as door, peer(door.port) as client:
        client.say(frame(HEADERS, 0, 1, b"\x82"))
        assert (await client.goaway())[0] is ErrorCode.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("said", [b"", PREFACE, PREFACE + b"\0\0"])
async def test_a_connection_that_does_not_begin_is_not_waited_for(said: bytes) -> None:
    async with opened(handshake_seconds=0.2) as door, peer(door.port, said) as client:
        await client.until_closed()


async def test_a_client_that_goes_takes_its_calls_with_it(door: Door) -> None:
    """Whether it says so or not; those of others go on."""
    async with peer(door.port) as other:
        other.say(other.call(1, _path="/test.Echo/Wait"))
        async with peer(door.port) as client:
            client.say(*(client.call(stream, _path="/test.Echo/Wait") for stream in (1, 3, 5)))
            await client.until_answered()
            assert door.handlers.waiting == 4
        while door.handlers.cancelled < 3:  # noqa: ASYNC110 - the state of another part
            await asyncio.sleep(0.01)
        door.handlers.go_on.set()
        assert (await other.answer(1)).status == "0"
    assert door.handlers.cancelled == 3


async def test_a_client_that_says_goodbye_still_gets_its_answers(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.call(1), frame(GOAWAY, 0, 0, bytes(8)))
        assert (await client.answer(1)).body == message(b"hello")
