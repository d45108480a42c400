"""Which shards of a job are whose: all of them, or every n-th where several commands share one output."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Number `index` of `of`, counted from 0. `Share()` is the whole."""

    index: int = 0
    of: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.of:
            raise ValueError(f"share {self.index} of {self.of}: the shares are numbered from 0 to {self.of - 1}")

    @property
    def is_whole(self) -> bool:
        return self.of == 1

    def shards(self, total: int) -> Iterator[int]:
        yield from range(self.index, total, self.of)
