"""Every image of a job in order, as a Parquet file with one row group for each shard: memory holds one shard at a time.

The digest is taken over what tells the images apart and not over the file, so that another version of the library that
writes it changes nothing. It goes column by column, a shard at a time: image by image, it took a third of the job.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

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
    digest = ListingDigest()
    seen: list[npt.NDArray[np.int64]] = []  # eight bytes an image, whatever the length of its id
    with pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        while shard := list(islice(images, shard_size)):
            seen.append(np.fromiter((hash(named.id) for named in shard), np.int64, len(shard)))
            table = _as_text(shard)
            digest.add(table)
            writer.write_table(table)
    _refuse_twice(Listing(file), np.concatenate(seen))
    return ListingFacts(images=sum(map(len, seen)), shards=len(seen), digest=digest.hexdigest())


class ListingDigest:
    """Over the values of each column and, apart from them, their lengths, so that no two listings look the same."""

    def __init__(self) -> None:
        self._streams = [hashlib.sha256() for _ in range(2 * len(SCHEMA))]

    def add(self, table: pa.Table) -> None:
        """The next images; how many at a time changes nothing."""
        for place, column in enumerate(table.combine_chunks().columns):
            lengths, values = self._streams[2 * place : 2 * place + 2]
            if pa.types.is_string(column.type):
                lengths.update(pc.binary_length(column).fill_null(-1).to_numpy().astype("<i4"))
                values.update("".join(column.drop_null().to_pylist()).encode())
            else:
                values.update(column.fill_null(-1).to_numpy().astype("<i8"))

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(stream.digest() for stream in self._streams)).hexdigest()


def _as_text(images: list[Named]) -> pa.Table:
    """Raises SourceInvalid for a name in another encoding."""
    try:
        return as_table(images)
    except UnicodeEncodeError as error:
        shown = error.object.encode(errors="surrogateescape").decode(errors="replace")
        raise SourceInvalid(f"{shown}: the name is no UTF-8; rename the file") from error


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
        return ListedShard(self._parquet.read_row_group(number, use_threads=False))

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
            example = next(named.id for named in where.images() if hash(named.id) in hashes)
            words.append(f"{len(hashes):,} {kind} ({example}{', …' if len(hashes) > 1 else ''})")
    return ", ".join(words) or "the order of the images"


def _by_hash(listing: Listing) -> dict[int, int]:
    return {hash(named.id): hash(named.item) for named in listing.images()}


def _refuse_twice(listing: Listing, hashes: npt.NDArray[np.int64]) -> None:
    """Hashes are looked at first: the ids themselves would fill the memory."""
    ordered = np.sort(hashes)
    twice = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    first: dict[str, str] = {}
    with closing(listing):
        for named in listing.images() if twice else ():
            if hash(named.id) in twice:
                if named.id in first:
                    raise SourceInvalid(
                        f"the id {named.id} occurs twice: {first[named.id]} and {named.item.where}. "
                        "Every image needs its own."
                    )
                first[named.id] = named.item.where
