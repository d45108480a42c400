"""A whole afternoon of a scheduler, simulated: arrivals in, and what became of each image."""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.engine.batch_costs import BatchCosts
from service.engine.cut import Cut, Pause
from service.engine.priority import Priority
from service.engine.scheduler import Scheduler
from service.errors import ServiceError
from tests.service.engine.schedulers import Image

NOBODYS = -1
"""The name of images that are always there."""


@dataclass(slots=True, kw_only=True)
class Afternoon:
    """A simulation: arrivals in, and what became of each image. The clock is a number.

    Lanes share the cores, so a batch takes so many times as long on several of them.
    """

    subject: Scheduler[Image]
    costs: dict[int, float]
    lanes: int = 1
    always_waiting: int = 0
    """So many at the lowest priority are there whenever a batch is cut."""
    now: float = 0.0
    answered: dict[int, float] = field(default_factory=dict)
    """When, by the image's name."""
    refused: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    expected: dict[int, float] = field(default_factory=dict)
    """When each image was to be answered, as it was reckoned when it came."""
    _ends: list[tuple[float, int, Cut[Image], float]] = field(default_factory=list)

    def run(self, arrivals: Sequence[Image]) -> None:
        coming = sorted(arrivals, key=lambda image: image.arrival)
        while len(self.answered) + len(self.refused) < len(arrivals):
            pause = self._start_batches()
            times = [image.arrival for image in coming[:1]] + [end for end, *_ in self._ends[:1]]
            self.now = min([*times, *([] if pause is None else [self.now + pause])])
            while self._ends and self._ends[0][0] <= self.now:
                self._finish()
            while coming and coming[0].arrival <= self.now:
                self._arrive(coming.pop(0))

    def _arrive(self, image: Image) -> None:
        self.expected[image.name] = self.now + self.subject.expected_seconds(1, image.priority)
        try:
            self.subject.admit(
                rows=1,
                size_bytes=1,
                deadline=image.deadline,
                priority=image.priority,
                now=self.now,
                running=len(self._ends),
            )
        except ServiceError:
            self.refused.append(image.name)
        else:
            self.subject.push(image)

    def _start_batches(self) -> float | None:
        while isinstance(step := self._next(), Cut):
            self.refused += [image.name for image in step.expired]
            if step.items:
                seconds = cost_of(len(step.items), self.costs) * self.lanes
                self.sizes.append(len(step.items))
                heapq.heappush(self._ends, (self.now + seconds, len(self.sizes), step, seconds))
        return step.seconds

    def _next(self) -> Cut[Image] | Pause:
        while self.subject.waiting < self.always_waiting:
            self.subject.push(Image(name=NOBODYS, arrival=self.now, priority=Priority.LOW))
        return self.subject.next(now=self.now, running=len(self._ends))

    def _finish(self) -> None:
        end, _, cut, seconds = heapq.heappop(self._ends)
        self.subject.observe(len(cut.items), seconds)
        for image in cut.items:
            if image.name != NOBODYS:
                self.answered[image.name] = end


def cost_of(size: int, costs: dict[int, float]) -> float:
    return BatchCosts(costs).expected(size)


def poisson(count: int, rate: float, *, seed: int = 0, allowed: float = math.inf) -> list[Image]:
    chance, now, images = random.Random(seed), 0.0, list[Image]()
    for name in range(count):
        now += chance.expovariate(rate)
        images.append(Image(name=name, arrival=now, deadline=None if allowed == math.inf else now + allowed))
    return images


def p99(afternoon: Afternoon, arrivals: Sequence[Image]) -> float:
    latencies = sorted(afternoon.answered[image.name] - image.arrival for image in arrivals)
    return latencies[int(0.99 * len(latencies))]
