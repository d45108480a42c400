"""Listings: one row group a shard, a digest, no id twice, and what became of a source in words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from batch.errors import SourceInvalid
from batch.item import Item, Named
from batch.listing import ListedShard, Listing, as_table, difference, write_listing


def images(count: int, *, size: int = 1) -> Iterator[Named]:
    return (Named(f"{number:03d}", Item(path=f"/data/{number:03d}.png", size=size)) for number in range(count))


def test_shards_are_read_one_by_one(tmp_path: Path) -> None:
    facts = write_listing(images(25), tmp_path / "l.parquet", shard_size=10)
    assert (facts.images, facts.shards) == (25, 3)
    listing = Listing(tmp_path / "l.parquet")
    assert [listing.size(shard) for shard in range(3)] == [10, 10, 5]
    assert list(listing.images()) == list(images(25))
    shard = listing.shard(2)
    assert shard.ids.to_pylist() == [f"{number:03d}" for number in range(20, 25)]
    assert shard.items(1, 3) == tuple(named.item for named in list(images(25))[21:23])
    assert shard.sizes(9).tolist() == [1] * 5
    listing.close()


def test_the_digest_tells_listings_apart(tmp_path: Path) -> None:
    """Whatever the shard size: it is of the images."""
    digests = [
        write_listing(given, tmp_path / "l.parquet", shard_size=size).digest
        for given, size in ((images(9), 4), (images(9), 5), (images(8), 4), (images(9, size=2), 4))
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_an_id_that_occurs_twice_is_named(tmp_path: Path) -> None:
    twice = [*images(5), Named("003", Item(path="/else/3.png"))]
    with pytest.raises(SourceInvalid, match=r"the id 003 occurs twice: /data/003.png and /else/3.png"):
        write_listing(iter(twice), tmp_path / "l.parquet", shard_size=2)


@pytest.mark.parametrize(
    ("after", "words"),
    [
        ([*images(6)], "1 added (005)"),
        ([*images(3)], "2 removed (003, …)"),
        ([*images(4), Named("004", Item(path="/data/004.png", size=9))], "1 changed (004)"),
        ([*images(5)][::-1], "the order of the images"),
    ],
)
def test_what_changed_is_said_with_an_example(tmp_path: Path, after: list[Named], words: str) -> None:
    write_listing(images(5), tmp_path / "old.parquet", shard_size=2)
    write_listing(iter(after), tmp_path / "new.parquet", shard_size=2)
    assert difference(Listing(tmp_path / "old.parquet"), Listing(tmp_path / "new.parquet")) == words


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    """They exist on old disks; ids must be text."""
    odd = Named(b"\xff.png".decode(errors="surrogateescape"), Item(path="/data/odd.png"))
    with pytest.raises(SourceInvalid, match="no UTF-8"):
        write_listing(iter([*images(3), odd]), tmp_path / "l.parquet", shard_size=2)


def test_places_and_sizes_of_members() -> None:
    """A member stands behind its archive; a size that nobody said is taken for the given one."""
    shard = ListedShard(
        as_table([Named("a", Item(path="/s.zip", member="d/1.png", size=3)), Named("b", Item(path="/2"))])
    )
    assert shard.places.to_pylist() == ["/s.zip/d/1.png", "/2"]
    assert shard.sizes(7).tolist() == [3, 7]
