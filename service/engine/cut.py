"""What a scheduler takes and what it says to do: items in, a batch or a pause out."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.engine.batch_policy import Closed
from service.engine.waiting_line import Waiting


class Batchable(Waiting, Protocol):
    """What the scheduler must know of an item, besides its place in the line."""

    @property
    def rows(self) -> int:
        """Its images."""
        ...

    @property
    def size_bytes(self) -> int: ...

    @property
    def kind(self) -> Hashable:
        """Only items of one kind are computed together; None never joins another."""
        ...

    @property
    def gone(self) -> bool:
        """Whether nobody waits for it any more."""
        ...


Item = TypeVar("Item", bound=Batchable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut(Generic[Item]):
    """A batch to be computed now; empty where all that could have been in it had expired or gone."""

    items: list[Item]
    expired: list[Item]
    closed: Closed
    patient: bool = False
    """Whether what has not begun is to be given back when somebody more important comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Nothing to do for so many seconds, or until somebody comes or a batch is done."""

    seconds: float | None = None
