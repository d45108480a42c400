"""One image of a job: where its bytes are, and what tells it from another version of itself."""

from dataclasses import dataclass
from typing import NamedTuple


class Item(NamedTuple):
    """Where the bytes of one image are. A tuple, because thousands a second travel between processes."""

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
