"""What a client may not pile up (service/http2/limits.py), sent at once; another client is answered all the while."""

import asyncio
import itertools
import struct
from collections.abc import Callable, Iterator

import pytest

from service.http2 import limits
from service.http2.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    ConnectionFault,
    ErrorCode,
    frame,
)
from service.http2.limits import CONNECTION_WINDOW, MOST_NOISE, NOISE_A_SECOND, OF_RESET, Noise, Pings
from tests.service.http2.conftest import Door, opened
from tests.service.http2.peer import GREETING, Peer, message, peer, settings, window

WAIT = "/test.Echo/Wait"


def rapid_resets(client: Peer) -> Iterator[bytes]:
    """CVE-2023-44487."""
    yield client.head(1, _path=WAIT)
    head = client.head(3, _path=WAIT)[9:]
    body, reset = message(b"x"), struct.pack(">I", ErrorCode.CANCEL)
    for at in range(3, 100_000, 2):
        call = frame(HEADERS, END_HEADERS, at, head) + frame(DATA, END_STREAM, at, body)
        yield call + frame(RST_STREAM, 0, at, reset)


def settings_again(client: Peer) -> Iterator[bytes]:
    for number in range(10_000):
        yield settings(s4=number)


def windows(client: Peer) -> Iterator[bytes]:
    yield client.head(1)
    for _ in range(100_000):
        yield window(0, 1) + window(1, 1)


def empty_bodies(client: Peer) -> Iterator[bytes]:
    """CVE-2019-9518."""
    yield client.head(1)
    for _ in range(200_000):
        yield frame(DATA, 0, 1)


def priorities(client: Peer) -> Iterator[bytes]:
    for _ in range(200_000):
        yield frame(PRIORITY, 0, 1, bytes(5))


def frames_of_the_future(client: Peer) -> Iterator[bytes]:
    for _ in range(200_000):
        yield frame(0xFE, 0, 0)


def heads_that_are_none(client: Peer) -> Iterator[bytes]:
    yield client.head(1, _path=None)
    head = client.head(3, _path=None)[9:]
    for at in range(3, 100_000, 2):
        yield frame(HEADERS, END_HEADERS, at, head)


def many_settings(client: Peer) -> Iterator[bytes]:
    yield frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1) * 100)


def pings(client: Peer) -> Iterator[bytes]:
    for _ in range(100):
        yield frame(PING, 0, 0, bytes(8))


def endless_head(client: Peer) -> Iterator[bytes]:
    """CVE-2024-27316 and its kin."""
    yield frame(HEADERS, 0, 1, b"\x82")
    for _ in range(1000):
        yield frame(CONTINUATION, 0, 1, b"")


def huge_head(client: Peer) -> Iterator[bytes]:
    yield frame(HEADERS, 0, 1, b"\x82")
    for _ in range(100):
        yield frame(CONTINUATION, 0, 1, b"\x40\x01a\x7f\x81\x7e" + bytes(2**14))


def one_huge_head(client: Peer) -> Iterator[bytes]:
    yield frame(HEADERS, END_HEADERS, 1, b"\x82" * 50_000)


def bomb(client: Peer) -> Iterator[bytes]:
    """One byte stands for a field of 4,000 (CVE-2016-6581)."""
    field = b"\x40\x01a" + b"\x7f\xa1\x1e" + b"v" * 4000
    yield frame(HEADERS, END_HEADERS, 1, field + b"\xbe" * 10_000)


FLOODS = [
    (rapid_resets, ErrorCode.ENHANCE_YOUR_CALM),
    (settings_again, ErrorCode.ENHANCE_YOUR_CALM),
    (windows, ErrorCode.ENHANCE_YOUR_CALM),
    (empty_bodies, ErrorCode.ENHANCE_YOUR_CALM),
    (priorities, ErrorCode.ENHANCE_YOUR_CALM),
    (frames_of_the_future, ErrorCode.ENHANCE_YOUR_CALM),
    (heads_that_are_none, ErrorCode.ENHANCE_YOUR_CALM),
    (many_settings, ErrorCode.ENHANCE_YOUR_CALM),
    (pings, ErrorCode.ENHANCE_YOUR_CALM),
    (endless_head, ErrorCode.ENHANCE_YOUR_CALM),
    (huge_head, ErrorCode.ENHANCE_YOUR_CALM),
    (one_huge_head, ErrorCode.ENHANCE_YOUR_CALM),
    (bomb, ErrorCode.ENHANCE_YOUR_CALM),
]


@pytest.mark.parametrize(("flood", "code"), FLOODS, ids=[flood.__name__ for flood, _ in FLOODS])
async def test_who_floods_is_sent_away(
    door: Door, flood: Callable[[Peer], Iterator[bytes]], code: ErrorCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tenth of what is allowed, so that it is soon too much."""
    monkeypatch.setattr(limits, "MOST_NOISE", MOST_NOISE / 10)
    monkeypatch.setattr(limits, "NOISE_A_SECOND", NOISE_A_SECOND / 10)
    async with peer(door.port) as client, peer(door.port) as other:
        pouring = asyncio.create_task(pour(client, flood))
        assert (await client.goaway())[0] is code
        pouring.cancel()
        other.say(other.call(1))
        assert (await other.answer(1)).body == message(b"hello")
        assert door.handlers.waiting == 0


async def pour(client: Peer, flood: Callable[[Peer], Iterator[bytes]]) -> None:
    """As fast as it is taken, until the server hangs up."""
    try:
        pieces = flood(client)
        while some := list(itertools.islice(pieces, 64)):
            client.say(*some)
            await client.sent()
    except ConnectionError:
        pass


async def test_a_client_that_reads_nothing_is_read_no_more(door: Door) -> None:
    """What it asks for is not piled up: when it takes nothing, nothing is taken from it."""
    async with peer(door.port) as client:
        client.say(settings(s4=2**31 - 1), window(0, 2**30))
        async with asyncio.timeout(30):
            for stream in range(1, 100_000, 2):
                client.say(client.call(stream, b"1000000", _path="/test.Echo/Large"))
                await asyncio.sleep(0.001)
                (connection,) = door.connections
                if connection._outbox.paused:
                    break
        await asyncio.sleep(0.1)
        held = connection._outbox.waiting_bytes + connection._transport.get_write_buffer_size()
        assert held < 100 * 2**20
        assert not connection._transport.is_reading()


async def test_so_many_calls_at_a_time() -> None:
    """The next are refused so that clients try again; those that were reset count while their handlers end."""
    async with opened(streams=3) as door, peer(door.port) as client:
        client.say(*(client.call(stream, _path=WAIT) for stream in (1, 3, 5, 7)))
        assert (await client.answer(7)).reset is ErrorCode.REFUSED_STREAM
        client.say(frame(RST_STREAM, 0, 1, bytes(4)))
        await client.until_answered()
        client.say(client.call(9))
        assert (await client.answer(9)).body == message(b"hello")


async def test_messages_that_do_not_become_whole_have_a_limit() -> None:
    """All of a connection's together; whole ones take no room."""
    roomy = GREETING + settings(s4=2**20) + window(0, 2**20)
    async with opened(message_bytes=2**18) as door, peer(door.port, roomy) as client:
        most = 2 * (CONNECTION_WINDOW // 2**17)
        for stream in range(1, most + 2, 2):
            client.say(client.head(stream), frame(DATA, 0, stream, message(bytes(2**17))[: 2**17 - 1]))
            await client.sent()
        refused = await client.answer(most + 1)
        assert (refused.status, refused.reset) == ("8", None)
        client.say(frame(DATA, 1, 1, message(bytes(2**17))[2**17 - 1 :]))
        assert len((await client.answer(1)).body) == 2**17 + 5


class TestNoise:
    """The measure itself."""

    def test_it_falls_with_time(self) -> None:
        noise = Noise(0.0)
        for second in range(100):
            noise.add(NOISE_A_SECOND * 0.9, float(second))

    def test_it_falls_with_answers(self) -> None:
        noise = Noise(0.0)
        for _ in range(int(MOST_NOISE) * 2):
            noise.add(2.0, 0.0)
            noise.answered()

    def test_all_calls_may_be_reset_at_once(self) -> None:
        noise = Noise(0.0, streams=10_000)
        for _ in range(10_000):
            noise.add(OF_RESET, 0.0)

    def test_it_has_an_end(self) -> None:
        noise = Noise(0.0)
        for _ in range(int(MOST_NOISE)):
            noise.add(1.0, 0.0)
        with pytest.raises(ConnectionFault):
            noise.add(1.0, 0.0)


class TestPings:
    """As gRPC's own servers count them."""

    def test_now_and_then_is_well(self) -> None:
        pings = Pings(30.0)
        for at in range(0, 3000, 30):
            pings.came(float(at), spoken=False)

    def test_behind_each_answer_is_well(self) -> None:
        pings = Pings(30.0)
        for _ in range(100):
            pings.came(0.0, spoken=True)

    def test_more_is_not(self) -> None:
        pings = Pings(30.0)
        for _ in range(3):
            pings.came(0.0, spoken=False)
        with pytest.raises(ConnectionFault, match="too_many_pings"):
            pings.came(0.0, spoken=False)
