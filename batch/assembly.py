"""Hands out the shards of a job in chunks and puts the answers together again: each chunk goes out once, each shard is
whole when all of its answers are there.

No more shards are open at a time than there are workers, so that is the most that a restart does again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from batch.item import Chunk
from batch.listing import ListedShard, Listing
from batch.results import Results

CHUNK_IMAGES = 256
CHUNK_BYTES = 2 * 2**20
"""A worker is given about so much at a time: many small pictures, or a few photographs."""
UNSAID_BYTES = 2**17
"""What an image is taken for whose size the source does not say."""


@dataclass(slots=True, kw_only=True)
class OpenShard:
    """A shard that was begun and is not written."""

    number: int
    images: ListedShard
    parts: list[Results] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return sum(map(len, self.parts)) == len(self.images)


class Assembly:
    """Single-threaded; what `next_chunk` gave comes back through `add`."""

    def __init__(self, listing: Listing, shards: Sequence[int], *, batch_size: int, most_open: int) -> None:
        self._listing = listing
        self._waiting = iter(shards)
        self._batch_size = batch_size
        self._most_open = most_open
        self._open: dict[int, OpenShard] = {}
        self._chunks: Iterator[Chunk] = iter(())

    def next_chunk(self) -> Chunk | None:
        """None while too many shards are open, and after the last chunk."""
        chunk = next(self._chunks, None)
        if chunk is None and len(self._open) < self._most_open and (number := next(self._waiting, None)) is not None:
            shard = OpenShard(number=number, images=self._listing.shard(number))
            self._open[number] = shard
            self._chunks = self._cut(shard)
            chunk = next(self._chunks)
        return chunk

    def add(self, results: Results) -> OpenShard | None:
        """The shard, where these answers make it whole; it stays open until `close`."""
        shard = self._open[results.shard]
        shard.parts.append(results)
        return shard if shard.is_whole else None

    def close(self, shard: OpenShard) -> None:
        """To be called when it is written."""
        del self._open[shard.number]

    def _cut(self, shard: OpenShard) -> Iterator[Chunk]:
        """In whole batches, by nothing but the listing: the same images are computed together whoever computes them."""
        sizes = shard.images.sizes(UNSAID_BYTES)
        start = 0
        while start < len(sizes):
            stop, size = start, 0
            while stop < len(sizes) and stop - start < CHUNK_IMAGES and size < CHUNK_BYTES:
                batch = sizes[stop : stop + self._batch_size]
                stop += len(batch)
                size += int(batch.sum())
            yield Chunk(shard=shard.number, start=start, items=shard.images.items(start, stop))
            start = stop
