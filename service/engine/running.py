"""The batches that are being computed now, and whether one of them hangs: far beyond what was measured, for long."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

TIMES_EXPECTED = 20.0
LEAST_SECONDS = 30.0
"""A machine that has much else to do is no reason to cry."""
UNMEASURED_SECONDS = 600.0
"""Where none was measured beforehand: graphs that take tensors of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    rows: int
    began_at: Callable[[], float]


class RunningBatches:
    """Tasks, each with what it computes. Times are on one clock, whichever."""

    def __init__(self) -> None:
        self._batches: dict[asyncio.Task[None], _Batch] = {}

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[asyncio.Task[None]]:
        return iter(self._batches)

    def add(self, task: asyncio.Task[None], *, rows: int, began_at: Callable[[], float]) -> None:
        """A batch is under way; `began_at` tells since when the session has it, which may be infinitely late so far."""
        self._batches[task] = _Batch(rows=rows, began_at=began_at)

    def remove(self, task: asyncio.Task[None]) -> None:
        """It is done."""
        del self._batches[task]

    def hanging_seconds(self, expected: Callable[[int], float], now: float) -> float:
        """How long the oldest of those runs that hang; 0 where none does. `expected` gives a batch's seconds, or 0."""
        hanging = (batch for batch in self._batches.values() if _hangs(batch, expected, now))
        return max((now - batch.began_at() for batch in hanging), default=0.0)


def _hangs(batch: _Batch, expected: Callable[[int], float], now: float) -> bool:
    seconds = expected(batch.rows)
    limit = max(LEAST_SECONDS, TIMES_EXPECTED * seconds) if seconds > 0 else UNMEASURED_SECONDS
    return now - batch.began_at() > limit
