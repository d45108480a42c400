"""The clock of the fleet's model: events in the order of their times, and the cores and threads that take time."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable

Event = Callable[[], None]


class Clock:
    """Events in the order of their times."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Event]] = []
        self._order = itertools.count()

    def after(self, seconds: float, event: Event) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._order), event))

    def run(self, until: Callable[[], bool]) -> None:
        while self._events and not until():
            self.now, _, event = heapq.heappop(self._events)
            event()


class Cores:
    """A machine's cores: as many jobs at a time, the others in order."""

    def __init__(self, clock: Clock, count: int) -> None:
        self._clock = clock
        self._free = count
        self._waiting: deque[tuple[float, Event]] = deque()

    def work(self, seconds: float, done: Event) -> None:
        if self._free == 0:
            self._waiting.append((seconds, done))
            return
        self._free -= 1
        self._clock.after(seconds, lambda: self._end(done))

    def _end(self, done: Event) -> None:
        self._free += 1
        if self._waiting:
            self.work(*self._waiting.popleft())
        done()


class Serial:
    """One thread: a job at a time, and each needs a core."""

    def __init__(self, cores: Cores) -> None:
        self._cores = cores
        self._busy = False
        self._waiting: deque[tuple[float, Event]] = deque()

    def work(self, seconds: float, done: Event) -> None:
        if self._busy:
            self._waiting.append((seconds, done))
            return
        self._busy = True
        self._cores.work(seconds, lambda: self._end(done))

    def _end(self, done: Event) -> None:
        self._busy = False
        if self._waiting:
            self.work(*self._waiting.popleft())
        done()
