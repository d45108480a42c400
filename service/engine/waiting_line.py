"""Who is next: by priority, within it the earliest deadline, and within that whoever came first."""

import heapq
import itertools
import math
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

from service.engine.priority import Priority


class Waiting(Protocol):
    """What the line must know of an item; times are on one clock, in seconds."""

    @property
    def arrival(self) -> float: ...

    @property
    def deadline(self) -> float | None: ...

    @property
    def priority(self) -> Priority: ...


Item = TypeVar("Item", bound=Waiting)


class WaitingLine(Generic[Item]):
    """Items in the order in which they are served. Nothing in it knows the time."""

    def __init__(self) -> None:
        self._heap: list[tuple[Priority, float, float, int, Item]] = []
        self._items: dict[int, Item] = {}
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Item]:
        """In the order in which they were put here."""
        return iter(self._items.values())

    def push(self, item: Item) -> None:
        ticket = next(self._tickets)
        deadline = math.inf if item.deadline is None else item.deadline
        heapq.heappush(self._heap, (item.priority, deadline, item.arrival, ticket, item))
        self._items[ticket] = item

    def first(self) -> Item:
        """Whoever is next."""
        return self._heap[0][-1]

    def pop(self) -> Item:
        """Takes out whoever is next."""
        *_, ticket, item = heapq.heappop(self._heap)
        del self._items[ticket]
        return item

    def oldest_arrival(self) -> float:
        """When the one came who has waited longest."""
        return min(item.arrival for item in self)
