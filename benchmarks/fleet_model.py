"""A fleet as a discrete-event model: calls in, the time of each answer out. No thread, no clock but its own.

Replicas (fleet_replica.py) behind a client that goes round them and tries again, on cores (fleet_clock.py) that client
and replicas may share; calls come from callers that wait for their answers, or at random.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.fleet_clock import Clock, Cores, Event, Serial
from benchmarks.fleet_replica import Costs, Replica

BACKOFF_SECONDS = 0.1
MAX_ATTEMPTS = 4


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
