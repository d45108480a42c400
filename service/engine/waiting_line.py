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
        self._heap: list[tuple[Priority, float, int, Item]] = []
        self._by_arrival: dict[int, Item] = {}
        self._tickets = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[Item]:
        """In the order of arrival."""
        return iter(self._by_arrival.values())

    def push(self, item: Item) -> None:
        ticket = next(self._tickets)
        deadline = math.inf if item.deadline is None else item.deadline
        heapq.heappush(self._heap, (item.priority, deadline, ticket, item))
        self._by_arrival[ticket] = item

    def first(self) -> Item:
        """Whoever is next."""
        return self._heap[0][3]

    def pop(self) -> Item:
        """Takes out whoever is next."""
        _, _, ticket, item = heapq.heappop(self._heap)
        del self._by_arrival[ticket]
        return item

    def oldest_arrival(self) -> float:
        """When the one came who has waited longest."""
        return next(iter(self._by_arrival.values())).arrival
