"""Shards that are written beside the next ones."""

import time
from threading import Event

import pytest

from batch.assembly import OpenShard
from batch.item import Item, Named
from batch.listing import ListedShard, as_table
from batch.writer import Writer


def shard(number: int) -> OpenShard:
    return OpenShard(number=number, images=ListedShard(as_table([Named("a", Item(path="/a"))])))


def test_shards_are_written_one_after_the_other_beside_who_submits() -> None:
    go, order = Event(), list[int]()

    def write(shard: OpenShard) -> None:
        go.wait(60)
        order.append(shard.number)

    with Writer(write) as writer:
        for number in range(3):
            writer.submit(shard(number))
        assert writer.written() == []
        go.set()
        done: list[int] = []
        while writer.busy:
            writer.wait()
            done += [shard.number for shard in writer.written()]
    assert order == done == [0, 1, 2]


def test_what_writing_raises_comes_back() -> None:
    def write(_shard: OpenShard) -> None:
        raise OSError(28, "No space left on device")

    with Writer(write) as writer:
        writer.submit(shard(0))
        writer.wait()
        with pytest.raises(OSError, match="No space"):
            writer.written()
        assert not writer.busy


def test_the_end_waits_for_what_is_being_written() -> None:
    """And leaves what had not begun."""
    begun, written = Event(), list[int]()

    def write(shard: OpenShard) -> None:
        begun.set()
        time.sleep(0.1)
        written.append(shard.number)

    with Writer(write) as writer:
        writer.submit(shard(4))
        writer.submit(shard(5))
        assert begun.wait(60)
    assert written == [4]
