"""What a connection sends (service/http2/outbox.py), where no client is fast enough or patient enough to show it."""

import asyncio
import random

import pytest

from service.http2.frames import DATA, DEFAULT_WINDOW, LARGEST_FRAME, Frame, FrameReader
from service.http2.outbox import LEAST_TAKEN, TURN_BYTES, Outbox, Outgoing, Waiting


class Written:
    """What the transport got."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.waiting = Waiting()
        self.outbox = Outbox(self.pieces.append, self.waiting)

    def frames(self, kind: int) -> list[Frame]:
        reader = FrameReader(largest=LARGEST_FRAME)
        reader.greeted = True
        return [frame for frame in reader.read(b"".join(self.pieces)) if frame[0] == kind]


async def test_a_window_below_nothing_sends_nothing() -> None:
    """A stream that waits for the connection's window when the client makes its own smaller."""
    written = Written()
    outbox, outgoing = written.outbox, Outgoing(100_000)
    outbox.window = 10
    outbox.message(1, outgoing, bytes(100))
    outgoing.window -= 150_000
    outbox.widen(10)
    outbox.flush()
    assert sum(len(payload) for *_, payload in written.frames(DATA)) == 10
    assert outbox.window == 10
    outgoing.window += 150_000
    outbox.send(1, outgoing)
    outbox.flush()
    assert sum(len(payload) for *_, payload in written.frames(DATA)) == 20


async def test_much_is_handed_over_before_the_turn_ends() -> None:
    """So that the transport can say that it has enough."""
    written = Written()
    piece = bytes(TURN_BYTES // 4)
    for _ in range(5):
        written.outbox.reply(piece)
    assert len(written.pieces) == 1
    await asyncio.sleep(0)
    assert sum(map(len, written.pieces)) == TURN_BYTES // 4 * 5


async def test_a_write_in_between_leaves_the_one_that_was_planned() -> None:
    """What comes behind it goes with that, not with a third."""
    written = Written()
    written.outbox.reply(b"a")
    written.outbox.flush()
    written.outbox.reply(b"b")
    written.outbox.reply(b"c")
    await asyncio.sleep(0)
    assert written.pieces == [b"a", b"bc"]


async def test_nothing_is_written_where_nobody_is() -> None:
    written = Written()
    written.outbox.reply(b"a")
    written.outbox.close()
    await asyncio.sleep(0)
    written.outbox.flush()
    assert written.pieces == []


async def test_what_waits_counts_for_all_clients() -> None:
    """Until it is sent, or nobody wants it any more."""
    waiting = Waiting()
    first, second = Outbox(lambda _: None, waiting), Outbox(lambda _: None, waiting)
    outgoing = Outgoing(0)
    first.message(1, outgoing, bytes(95))
    second.message(1, Outgoing(60), bytes(95))
    assert (waiting.size, first.waiting_bytes, second.waiting_bytes) == (140, 100, 40)
    assert first.has_room(Outgoing(0), 50, most=150)
    assert not first.has_room(Outgoing(0), 51, most=150)
    assert first.has_room(Outgoing(51), 51, most=150), "it does not wait"
    third = Outbox(lambda _: None, waiting)
    waiting.size = 590
    assert not third.has_room(Outgoing(0), 11, most=150)
    waiting.size = 140
    first.forget(1, outgoing)
    assert (waiting.size, first.waiting_bytes) == (40, 0)


async def test_a_byte_now_and_then_is_not_taking_an_answer() -> None:
    """Its clock goes on until as much was taken as counts."""
    outbox, outgoing = Written().outbox, Outgoing(0)
    outbox.window = 2**20
    outbox.message(1, outgoing, bytes(2 * LEAST_TAKEN))
    outgoing.moved = began = -1.0
    outgoing.window = 1
    outbox.send(1, outgoing)
    assert outgoing.moved == began
    outgoing.window = LEAST_TAKEN
    outbox.send(1, outgoing)
    assert outgoing.moved > began


@pytest.mark.parametrize("seed", range(8))
async def test_no_client_gets_more_than_it_has_room_for(seed: int) -> None:
    """Whatever it says of its room, and when; all comes once there is enough."""
    chance, written = random.Random(seed), Written()
    outbox = written.outbox
    streams = {number: Outgoing(100) for number in (1, 3, 5, 7)}
    room, all_room = dict.fromkeys(streams, 100), DEFAULT_WINDOW
    owed, heard = 0, 0
    outbox.largest_frame = 50
    for _ in range(300):
        number, change = chance.choice(list(streams)), chance.randrange(-120, 100)
        match chance.randrange(4):
            case 0:
                size = chance.randrange(200)
                owed += size + 5
                outbox.message(number, streams[number], bytes(size))
            case 1:
                all_room += abs(change)
                outbox.widen(abs(change))
            case 2:
                room[number] += abs(change)
                streams[number].window += abs(change)
                outbox.send(number, streams[number])
            case _:
                for at, outgoing in streams.items():
                    room[at] += change
                    outgoing.window += change
                outbox.paused = chance.random() < 0.2
                outbox.pump()
        outbox.flush()
        for _, _, at, payload in written.frames(DATA):
            room[at], all_room, heard = room[at] - len(payload), all_room - len(payload), heard + len(payload)
            assert min(room[at], all_room) >= 0
        written.pieces.clear()
        assert (outbox.window, outbox.waiting_bytes) == (all_room, owed - heard)
    outbox.paused = False
    for number, outgoing in streams.items():
        outgoing.window = owed
        outbox.send(number, outgoing)
    outbox.widen(owed)
    outbox.flush()
    assert heard + sum(len(payload) for *_, payload in written.frames(DATA)) == owed
