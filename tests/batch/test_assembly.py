"""Shards in chunks and back: in any order, none lost, no more open than allowed."""

import random
from pathlib import Path

import pytest

from batch.assembly import CHUNK_BYTES, CHUNK_IMAGES, Assembly
from batch.item import Chunk, Item, Named
from batch.listing import Listing, write_listing
from batch.plan import Question
from batch.table import table_of
from tests.batch.fake_engine import MODEL, answer


def listing(folder: Path, *, images: int, shard_size: int, size: int = 500) -> Listing:
    named = (Named(f"{n:05d}", Item(path=f"/p/{n:05d}.png", size=size)) for n in range(images))
    write_listing(named, folder / "l.parquet", shard_size=shard_size)
    return Listing(folder / "l.parquet")


@pytest.mark.parametrize(("shard_size", "most_open"), [(7, 1), (7, 3), (600, 2), (1000, 1)])
def test_every_image_goes_out_once_and_comes_back_in_its_place(tmp_path: Path, shard_size: int, most_open: int) -> None:
    images = listing(tmp_path, images=1000, shard_size=shard_size)
    assembly = Assembly(images, range(images.shards), batch_size=16, most_open=most_open)
    chance, under_way, done = random.Random(0), list[Chunk](), dict[int, list[str]]()
    while len(done) < images.shards:
        while (chunk := assembly.next_chunk()) is not None:
            under_way.append(chunk)
        assert len({chunk.shard for chunk in under_way}) <= most_open
        chunk = under_way.pop(chance.randrange(len(under_way)))
        if (shard := assembly.add(answer(chunk, Question()))) is not None:
            table = table_of(shard.images, shard.parts, Question(), MODEL)
            done[shard.number] = table.column("label_1").to_pylist()
            assembly.close(shard)
    labels = [label for number in sorted(done) for label in done[number]]
    assert labels == [str(number % 10) for number in range(1000)]
    assert assembly.next_chunk() is None


def test_chunks_are_whole_batches_by_number_and_by_bytes(tmp_path: Path) -> None:
    """So that the same images are computed together, whoever computes them."""
    small = Assembly(listing(tmp_path, images=1000, shard_size=1000), [0], batch_size=24, most_open=1)
    sizes = []
    while (chunk := small.next_chunk()) is not None:
        sizes.append(len(chunk.items))
    assert sizes[:-1] == [264] * 3
    assert sum(sizes) == 1000
    assert all(size % 24 == 0 and size < CHUNK_IMAGES + 24 for size in sizes[:-1])
    photographs = listing(tmp_path, images=100, shard_size=100, size=CHUNK_BYTES // 10)
    chunk = Assembly(photographs, [0], batch_size=8, most_open=1).next_chunk()
    assert chunk is not None
    assert len(chunk.items) == 16
