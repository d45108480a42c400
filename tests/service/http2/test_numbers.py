"""The numbers of streams (service/http2/numbers.py), and what comes on one where it may not (RFC 9113, section 5.1)."""

import asyncio

import pytest

from service.http2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PRIORITY,
    ErrorCode,
    frame,
)
from service.http2.numbers import MOST_GAPS, Numbers
from service.http2.streams import Streams
from tests.service.http2.conftest import Door
from tests.service.http2.peer import ECHO, message, peer


def test_what_was_passed_over_is_closed() -> None:
    numbers = Numbers()
    for at in (1, 3, 9, 11):
        assert numbers.is_idle(at)
        assert numbers.open(at)
        assert not numbers.open(at)
    assert [at for at in range(1, 15, 2) if numbers.was_passed_over(at)] == [5, 7]
    assert [at for at in range(1, 15, 2) if numbers.is_idle(at)] == [13]


def test_no_client_makes_us_remember_more_and_more() -> None:
    numbers = Numbers()
    for at in range(5, 10_000, 4):
        numbers.open(at)
    assert len(numbers._gaps) == MOST_GAPS


def test_no_more_are_taken() -> None:
    numbers = Numbers()
    numbers.open(1)
    numbers.take_no_more()
    assert not numbers.is_idle(3)
    assert not numbers.open(3)
    assert not numbers.was_passed_over(3)


@pytest.mark.parametrize("at", [3, 2, 4, 6], ids=["passed over", "even", "even and lower", "even and higher"])
async def test_a_call_on_a_number_that_it_cannot_have_ends_the_connection(door: Door, at: int) -> None:
    async with peer(door.port) as client:
        client.say(client.call(1), client.call(5))
        client.say(client.head(at, ended=True))
        assert (await client.goaway())[0] is ErrorCode.PROTOCOL_ERROR


async def test_trailers_are_no_second_request(door: Door) -> None:
    """Nor may they leave the call open."""
    async with peer(door.port) as client:
        client.say(client.head(1, _path="/test.Echo/Join"), client.head(1, ended=True))
        assert (await client.answer(1)).reset is ErrorCode.PROTOCOL_ERROR
        client.say(client.head(3, _path="/test.Echo/Join"))
        client.say(frame(HEADERS, END_HEADERS | END_STREAM, 3, client.encoder.encode([(":path", ECHO), ("x", "y")])))
        assert (await client.answer(3)).reset is ErrorCode.PROTOCOL_ERROR
        client.say(client.head(5, _path="/test.Echo/Join"))
        client.say(frame(HEADERS, END_HEADERS, 5, client.encoder.encode([("x", "y")])))
        assert (await client.answer(5)).reset is ErrorCode.PROTOCOL_ERROR
        client.say(client.call(7))
        assert (await client.answer(7)).body == message(b"hello")


async def test_a_priority_that_is_not_whole_ends_its_call_alone(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(client.head(1), frame(PRIORITY, 0, 1, bytes(4)), client.call(3))
        assert (await client.answer(1)).reset is ErrorCode.FRAME_SIZE_ERROR
        assert (await client.answer(3)).status == "0"
        client.say(frame(PRIORITY, 0, 3, bytes(6)), client.call(5))
        assert (await client.answer(5)).status == "0"


async def test_who_is_refused_hears_of_it_soon(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the clock comes by, and where no body comes; a call that was reset meanwhile hears nothing."""
    monkeypatch.setattr(Streams, "sweep", lambda streams, now: None)
    async with peer(door.port) as client:
        client.say(client.head(1, _path="/test.Echo/Nothing"))
        assert (await client.answer(1)).status == "12"
        client.say(client.head(3, _path="/test.Echo/Nothing"), frame(PRIORITY, 0, 3, bytes(1)))
        assert (await client.answer(3)).reset is ErrorCode.FRAME_SIZE_ERROR
        await asyncio.sleep(0.05)
        client.say(client.head(5), frame(DATA, END_STREAM, 5, message(b"x")))
        kind, _, at, _ = await client.hear(HEADERS, DATA)
        assert (kind, at) == (HEADERS, 5)
