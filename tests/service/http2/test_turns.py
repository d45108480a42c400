"""How long one client has the event loop to itself (service/http2/turns.py)."""

import asyncio

import pytest
from structlog.testing import capture_logs

from service.http2 import limits
from service.http2 import turns as turns_module
from service.http2.frames import END_HEADERS, END_STREAM, HEADERS, PING, ErrorCode, Frame, frame
from service.http2.turns import Turns
from tests.service.http2.conftest import Door
from tests.service.http2.peer import Peer, message, peer


class FakeTransport(asyncio.Transport):
    """Notes whether it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True
        self.closing = False

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.closing
        self.reads = True

    def is_closing(self) -> bool:
        return self.closing


def pings(*names: bytes) -> list[Frame]:
    return [(PING, 0, 0, name) for name in names]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One frame is a turn."""
    monkeypatch.setattr(turns_module, "TURN_SECONDS", -1.0)


@pytest.mark.usefixtures("short")
async def test_others_have_their_turn_between_frames() -> None:
    """In order, and nothing more is read until all are taken."""
    transport, said = FakeTransport(), list[bytes]()
    turns = Turns(transport, lambda found, _: said.append(found[3]))
    turns.add(pings(b"a", b"b"), 0.0)
    assert (said, transport.reads) == ([b"a"], False)
    turns.add(pings(b"c"), 0.0)
    asyncio.get_running_loop().call_soon(said.append, b"of another")
    while not transport.reads:  # noqa: ASYNC110 - the state of another part
        await asyncio.sleep(0)
    assert [name for name in said if name != b"of another"] == [b"a", b"b", b"c"]
    assert said.index(b"of another") < 3


@pytest.mark.usefixtures("short")
async def test_a_client_that_takes_nothing_is_not_read_when_its_turn_comes() -> None:
    transport = FakeTransport()
    turns = Turns(transport, lambda found, now: None)
    turns.add(pings(b"a"), 0.0)
    turns.hold(held=True)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not transport.reads
    turns.hold(held=False)
    assert transport.reads


@pytest.mark.usefixtures("short")
async def test_a_transport_that_is_closing_is_left_alone() -> None:
    transport = FakeTransport()
    turns = Turns(transport, lambda found, now: None)
    turns.add(pings(b"a"), 0.0)
    transport.closing = True
    for _ in range(3):
        await asyncio.sleep(0)
    turns.hold(held=False)
    assert not transport.reads


@pytest.mark.usefixtures("short")
async def test_calls_are_answered_however_short_a_turn_is(door: Door) -> None:
    async with peer(door.port) as client:
        client.say(*(client.call(stream) for stream in range(1, 41, 2)))
        for stream in range(1, 41, 2):
            assert (await client.answer(stream)).body == message(b"hello")


@pytest.mark.usefixtures("short")
async def test_a_fault_of_ours_in_a_later_turn_ends_the_connection(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its client hears nothing more otherwise, and waits."""
    async with peer(door.port) as client:
        await client.until_answered()
        (connection,) = door.connections
        with capture_logs() as log:
            monkeypatch.setattr(connection, "_headers", lambda *_: 1 / 0)
            client.say(frame(PING, 0, 0, bytes(8)), frame(PING, 0, 0, bytes(8)), client.call(1))
            await client.until_closed()
        assert [entry["event"] for entry in log] == ["connection failed"]
        async with peer(door.port) as other:
            other.say(other.call(1))
            assert (await other.answer(1)).status == "0"


def many_to_nowhere(client: Peer) -> bytes:
    """Calls of a method that there is not, 15 bytes each."""
    client.head(1, _path="/a/b", ended=True)
    block = client.head(1, _path="/a/b", ended=True)[9:]
    return b"".join(frame(HEADERS, END_HEADERS | END_STREAM, at, block) for at in range(3, 120_003, 2))


@pytest.fixture
def unforgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a client did counts however slow this machine is."""
    monkeypatch.setattr(limits, "NOISE_A_SECOND", 0.0)


@pytest.mark.usefixtures("unforgotten")
async def test_one_client_does_not_hold_up_the_others(door: Door) -> None:
    """It is sent away; in the meantime the loop is never held for long."""
    async with peer(door.port) as client, peer(door.port) as other:
        client.say(client.head(1, _path="/a/b", ended=True), many_to_nowhere(client))
        leaving = asyncio.create_task(client.goaway())
        answered = 0
        while not leaving.done():
            other.say(other.call(answered * 2 + 1))
            assert (await other.answer(answered * 2 + 1)).status == "0"
            answered += 1
        assert (await leaving)[0] is ErrorCode.ENHANCE_YOUR_CALM
        assert answered > 3


def huffman_head(at: int) -> bytes:
    """A new path, and a field of 15,000 characters of five bits, which take some milliseconds to read."""
    path, length = b"\x44\x05/%04d" % at, b"\xff" + bytes([(9375 - 127) & 127 | 128, (9375 - 127) >> 7])
    block = b"\x83\x86" + path + b"\x00\x03x-a" + length + bytes(9375)
    return frame(HEADERS, END_HEADERS | END_STREAM, at, block)


@pytest.mark.usefixtures("unforgotten")
async def test_who_sends_heads_that_are_dear_to_read_is_sent_away(door: Door) -> None:
    """Before it has taken much of the server's time."""
    async with peer(door.port) as client:
        client.say(*(huffman_head(at) for at in range(1, 601, 2)))
        assert (await client.goaway())[0] is ErrorCode.ENHANCE_YOUR_CALM
