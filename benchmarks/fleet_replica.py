"""One replica of the fleet's model: a call crosses its event loop, is decoded, waits, and is computed in a batch.

The batch is cut when the session is idle, as service/engine/batcher.py does it. What a call costs comes from
measurement (fleet_costs.py).
"""

import itertools
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.fleet_clock import Cores, Serial


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of one core: by the client, by the service's event loop, for decoding, and for a batch of each size."""

    client: float
    loop: float
    decode: float
    batch: dict[int, float]
    network: float = 0.0
    """There and back; waiting, no core's work."""

    def slowed(self, factor: float) -> "Costs":
        """The same on cores that others use too."""
        batch = {size: seconds * factor for size, seconds in self.batch.items()}
        return replace(
            self,
            client=self.client * factor,
            loop=self.loop * factor,
            decode=self.decode * factor,
            batch=batch,
        )

    def of_batch(self, size: int) -> float:
        """Between two measured sizes the cost lies on the line that joins them."""
        sizes = sorted(self.batch)
        place = bisect_left(sizes, size)
        if place == 0 or size in self.batch:
            return self.batch[sizes[place]]
        if place == len(sizes):
            return self.batch[sizes[-1]] * size / sizes[-1]
        low, high = sizes[place - 1], sizes[place]
        return self.batch[low] + (self.batch[high] - self.batch[low]) * (size - low) / (high - low)


class Replica:
    """One service process. `answer` is called with False where it was killed before it could."""

    def __init__(self, cores: Cores, costs: Costs, *, max_batch_size: int) -> None:
        self.up = True
        self._cores = cores
        self._costs = costs
        self._max_batch_size = max_batch_size
        self._loop = Serial(cores)
        self._queue: list[Callable[[bool], None]] = []
        self._inside: dict[int, Callable[[bool], None]] = {}
        self._numbers = itertools.count()
        self._computing = False

    @property
    def inside(self) -> int:
        return len(self._inside)

    def call(self, answer: Callable[[bool], None]) -> None:
        number = next(self._numbers)
        self._inside[number] = answer

        def finish(*, ok: bool) -> None:
            if (waiting := self._inside.pop(number, None)) is not None:
                waiting(ok)

        def decoded() -> None:
            self._queue.append(lambda ok: finish(ok=ok))
            self._compute()

        self._loop.work(self._costs.loop, lambda: self._cores.work(self._costs.decode, decoded))

    def kill(self) -> None:
        """All that is inside fails at once."""
        self.up = False
        lost, self._inside = list(self._inside.values()), {}
        for answer in lost:
            answer(False)

    def _compute(self) -> None:
        if self._computing or not self._queue:
            return
        self._computing = True
        batch, self._queue = self._queue[: self._max_batch_size], self._queue[self._max_batch_size :]

        def computed() -> None:
            self._computing = False
            for finish in batch:
                finish(True)
            self._compute()

        self._cores.work(self._costs.of_batch(len(batch)), computed)
