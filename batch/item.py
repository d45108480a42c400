"""One image of a job: where its bytes are, and what tells it from another version of itself."""

from dataclasses import dataclass
from typing import Any, NamedTuple


class Item(NamedTuple):
    """Where the bytes of one image are."""

    path: str
    """A file, a URL, or the archive that holds the image."""
    member: str | None = None
    """Its name inside the archive."""
    offset: int | None = None
    """Where its bytes begin inside a tar archive."""
    size: int | None = None
    """Bytes, where the listing says so."""
    version: str | None = None
    """Changes when the content does: time of the last change, or the storage's tag."""

    @property
    def where(self) -> str:
        return self.path if self.member is None else f"{self.path}/{self.member}"


class Named(NamedTuple):
    """An image with the id that its row will carry."""

    id: str
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Neighbours of one shard that a worker takes at a time; `start` is the place of the first one in the shard."""

    shard: int
    start: int
    items: tuple[Item, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Thousands of items a second travel between processes; as plain tuples they cost a fifth."""
        return _chunk, (self.shard, self.start, tuple(map(tuple, self.items)))


def _chunk(shard: int, start: int, items: tuple[tuple[Any, ...], ...]) -> Chunk:
    return Chunk(shard=shard, start=start, items=tuple(map(Item._make, items)))
