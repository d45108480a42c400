"""Every image of a job in order, as a Parquet file with one row group for each shard: memory holds one shard at a time.

The digest is taken over what tells the images apart and not over the file, so that another version of the library that
writes it changes nothing.
"""

import hashlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batch.errors import SourceInvalid
from batch.item import Item, Named

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("member", pa.string()),
        pa.field("offset", pa.int64()),
        pa.field("size", pa.int64()),
        pa.field("version", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingFacts:
    """What the plan keeps of a listing."""

    images: int
    shards: int
    digest: str


def write_listing(images: Iterator[Named], file: Path, *, shard_size: int) -> ListingFacts:
    """Raises SourceInvalid where an id occurs twice, by its name."""
    digest = hashlib.sha256()
    seen = array("Q")  # eight bytes an image, whatever the length of its id
    shards = 0
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        while shard := list(islice(images, shard_size)):
            for named in shard:
                digest.update(repr((named.id, *named.item)).encode())
                seen.append(_short_hash(named.id))
            writer.write_table(as_table(shard))
            shards += 1
    _refuse_twice(Listing(file), np.frombuffer(seen, dtype=np.uint64))
    return ListingFacts(images=len(seen), shards=shards, digest=digest.hexdigest())


def as_table(images: list[Named]) -> pa.Table:
    columns = [[named.id for named in images], *map(list, zip(*(named.item for named in images), strict=True))]
    return pa.Table.from_arrays([*map(pa.array, columns, SCHEMA.types)], schema=SCHEMA)


class ListedShard:
    """The images of a shard as columns; what a chunk needs is taken out when it is due."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()

    def __len__(self) -> int:
        return len(self._table)

    @property
    def ids(self) -> pa.ChunkedArray:
        return self._table.column("id")

    @property
    def places(self) -> pa.ChunkedArray:
        """Paths, those of members with their names behind the archive's."""
        path, member = self._table.column("path"), self._table.column("member")
        return pc.coalesce(pc.binary_join_element_wise(path, member, "/"), path)

    def sizes(self, unsaid: int) -> npt.NDArray[np.int64]:
        """Bytes of each image; `unsaid` where the source does not say."""
        sizes: npt.NDArray[np.int64] = self._table.column("size").fill_null(unsaid).to_numpy()
        return sizes

    def items(self, start: int, stop: int) -> tuple[Item, ...]:
        part = self._table.slice(start, stop - start)
        columns = (part.column(name).to_pylist() for name in SCHEMA.names[1:])
        return tuple(map(Item, *columns))


class Listing:
    """A listing on disk."""

    def __init__(self, file: Path) -> None:
        self._parquet = pq.ParquetFile(file)

    def close(self) -> None:
        self._parquet.close()

    @property
    def shards(self) -> int:
        return int(self._parquet.num_row_groups)

    def size(self, shard: int) -> int:
        """Images of a shard."""
        return int(self._parquet.metadata.row_group(shard).num_rows)

    def shard(self, number: int) -> ListedShard:
        return ListedShard(self._parquet.read_row_group(number))

    def images(self) -> Iterator[Named]:
        for number in range(self.shards):
            shard = self.shard(number)
            yield from map(Named, shard.ids.to_pylist(), shard.items(0, len(shard)))


def difference(old: Listing, new: Listing) -> str:
    """What became of the source, in words and with an example."""
    before, after = _by_hash(old), _by_hash(new)
    kinds = {
        "added": after.keys() - before.keys(),
        "removed": before.keys() - after.keys(),
        "changed": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    words = []
    for kind, hashes in kinds.items():
        if hashes:
            where = old if kind == "removed" else new
            example = next(named.id for named in where.images() if _short_hash(named.id) in hashes)
            words.append(f"{len(hashes):,} {kind} ({example}{', …' if len(hashes) > 1 else ''})")
    return ", ".join(words) or "the order of the images"


def _by_hash(listing: Listing) -> dict[int, int]:
    return {_short_hash(named.id): _short_hash(repr(named.item)) for named in listing.images()}


def _short_hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=8).digest(), "little")


def _refuse_twice(listing: Listing, hashes: "np.ndarray[Any, np.dtype[np.uint64]]") -> None:
    ordered = np.sort(hashes)
    twice = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not twice:
        listing.close()
        return
    first: dict[str, str] = {}
    for named in listing.images():
        if _short_hash(named.id) in twice:
            if named.id in first:
                raise SourceInvalid(
                    f"the id {named.id} occurs twice: {first[named.id]} and {named.item.where}. "
                    "Every image needs its own."
                )
            first[named.id] = named.item.where
    listing.close()
