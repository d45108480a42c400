"""A fleet as a discrete-event model: calls in, the time of each answer out. No thread, no clock but its own.

A call crosses the replica's event loop (one at a time), is decoded on a core, waits in the queue, and is computed in
the batch that is cut when the session is idle, exactly as service/engine/batcher.py does it. Loop, decoders and session
share the machine's cores. What a call costs comes from measurement (fleet_costs.py).
"""

import heapq
import itertools
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

Event = Callable[[], None]
BACKOFF_SECONDS = 0.1
MAX_ATTEMPTS = 4


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


@dataclass(slots=True)
class Outcome:
    """What became of the calls."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    retried: int = 0
    began: float = 0.0
    ended: float = 0.0

    @property
    def calls(self) -> int:
        return len(self.seconds) + self.failed

    @property
    def per_second(self) -> float:
        return len(self.seconds) / (self.ended - self.began)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Fleet:
    """Replicas behind round_robin with retries, as the client does it.

    `many_clients`: each goes round by itself, so that together they come to the replicas at random.
    """

    def __init__(self, clock: Clock, replicas: list[Replica], costs: Costs, *, many_clients: bool = False) -> None:
        self.clock = clock
        self.replicas = replicas
        self.out: set[int] = set()
        """Replicas that say NOT_SERVING: they finish what they have and get nothing new."""
        self.outcome = Outcome()
        self._costs = costs
        self._turn = 0
        self._source = random.Random(1) if many_clients else None

    def ask(self, done: Event = lambda: None) -> None:
        self._attempt(self.clock.now, 1, done)

    def _attempt(self, began: float, attempt: int, done: Event) -> None:
        replica = self._next()

        def answered(ok: bool) -> None:
            if ok:
                self.clock.after(self._costs.network / 2, lambda: self._end(began, done))
            elif attempt < MAX_ATTEMPTS:
                self.outcome.retried += 1
                self.clock.after(BACKOFF_SECONDS * 2 ** (attempt - 1), lambda: self._attempt(began, attempt + 1, done))
            else:
                self.outcome.failed += 1
                done()

        if replica is None:
            answered(False)
        else:
            self.clock.after(self._costs.network / 2, lambda: replica.call(answered) if replica.up else answered(False))

    def _next(self) -> Replica | None:
        for place in self._order():
            if self.replicas[place].up and place not in self.out:
                self._turn = place
                return self.replicas[place]
        return None

    def _order(self) -> Iterator[int]:
        """Which replicas to try: the next in turn, or any, so that those left share what one that is out would get."""
        count = len(self.replicas)
        if self._source is not None:
            yield from (self._source.randrange(count) for _ in range(20))
        yield from ((self._turn + step) % count for step in range(1, count + 1))

    def _end(self, began: float, done: Event) -> None:
        self.outcome.seconds.append(self.clock.now - began)
        self.outcome.ended = self.clock.now
        done()


def closed_loop(costs: Costs, *, replicas: int, cores: int, callers: int, calls: int, max_batch_size: int) -> Outcome:
    """Replicas and one client process on one machine; each caller asks again when it was answered.

    A call's time is the caller's: from before its client's work to after it.
    """
    clock = Clock()
    outcome = Outcome()
    machine = Cores(clock, cores)
    fleet = Fleet(clock, [Replica(machine, costs, max_batch_size=max_batch_size) for _ in range(replicas)], costs)
    client = Serial(machine)

    def again() -> None:
        began = clock.now

        def received() -> None:
            outcome.seconds.append(clock.now - began)
            outcome.ended = clock.now
            again()

        client.work(costs.client / 2, lambda: fleet.ask(lambda: client.work(costs.client / 2, received)))

    for _ in range(callers):
        again()
    clock.run(lambda: outcome.calls >= calls)
    return outcome


def open_loop(fleet: Fleet, *, rate: float, calls: int, seed: int = 0) -> Outcome:
    """Calls come at random (Poisson) whether others were answered or not; returns when all have ended."""
    gaps = _gaps(rate, calls, seed)

    def arrive() -> None:
        fleet.ask()
        if (gap := next(gaps, None)) is not None:
            fleet.clock.after(gap, arrive)

    fleet.clock.after(next(gaps), arrive)
    fleet.clock.run(lambda: fleet.outcome.calls >= calls)
    return fleet.outcome


def _gaps(rate: float, calls: int, seed: int) -> Iterator[float]:
    source = random.Random(seed)
    return (source.expovariate(rate) for _ in range(calls))
