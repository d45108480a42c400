"""Decides what is computed next: items that wait and the time in, a batch or a pause out. No clock and no thread.

The order is that of the waiting line. A batch is cut at once while the session is free, when it is full, or when
somebody in it must go; while every lane of the session is taken, the next one gathers.
"""

import math
from collections import Counter
from typing import Generic

from service.engine.batch_costs import BatchCosts
from service.engine.batch_policy import BatchPolicy, Closed
from service.engine.batch_sizes import WORTH_A_LANE_SECONDS, BatchSizes, crowd_of
from service.engine.cut import Cut, Item, Pause
from service.engine.estimates import Estimates
from service.engine.priority import NOBODY, PerPriority, Priority
from service.engine.waiting_line import WaitingLine
from service.errors import DeadlineUnreachable, QueueFull

PATIENCE = 0.75
"""Whoever waits for company on a free session is to be done after this share of the time until its deadline."""
TICK_SECONDS = 1e-6
LONG_ENOUGH = 4
"""So many times what is given out at once takes, those who may wait must have until their deadline: for what the thread
has already, for themselves, and for a machine that is slower than was measured.
"""


class Scheduler(Generic[Item]):
    """The queue of one model; `running` is always how many of its batches are being computed."""

    def __init__(self, policy: BatchPolicy, costs: BatchCosts, *, at_once: int = 1) -> None:
        """Of the lowest priority so many full batches are given out at once where they are quick; with more than one
        they are given out early too, and what has not begun may come back.
        """
        self._policy = policy
        self._at_once = at_once
        self._costs = costs
        self._line = WaitingLine[Item]()
        self._rows = Counter[Priority]()
        self._waiting = 0
        self._bytes = 0
        self._sizes = BatchSizes(policy, costs)
        self._estimates = Estimates(costs, self._sizes)

    @property
    def waiting(self) -> int:
        """Images in the queue, those of callers who went away included until they would be next."""
        return self._waiting

    @property
    def urgent(self) -> bool:
        """Whether somebody waits who is not of the lowest priority; may be asked from any thread."""
        return any(self._rows[priority] for priority in Priority if priority is not Priority.LOW)

    @property
    def sizes(self) -> BatchSizes:
        """How many images go together."""
        return self._sizes

    def expected(self, size: int) -> float:
        """Seconds of a batch; 0 where none was measured beforehand, and one may cost far more than another."""
        return 0.0 if self._costs.learns else self._costs.expected(size)

    def observe(self, size: int, seconds: float) -> None:
        """Takes note of a batch that ran."""
        self._costs.observe(size, seconds)
        if self._costs.learns:
            if self._policy.slo_seconds is not None:
                self._sizes.learn()
            self._estimates.learn()

    def admit(
        self,
        *,
        rows: int,
        size_bytes: int,
        deadline: float | None,
        priority: Priority,
        now: float,
        running: int,
        coming: PerPriority = NOBODY,
    ) -> None:
        """Raises QueueFull or DeadlineUnreachable for an item that must not join; `coming` are to join before it."""
        waiting = self._waiting + (sum(coming.values()) if coming else 0)
        if not running and not waiting and (deadline is None or now <= deadline):
            return  # a free session is always tried: only a batch that runs mends an estimate that one has spoilt
        expected = self.expected_seconds(rows, priority, coming)
        before = self._before(priority, coming)  # nobody takes room from who goes before him
        if before and before + rows > self._policy.max_queue_images:
            raise QueueFull(
                f"{before} images are waiting already; try again shortly, or send to more replicas.",
                retry_seconds=max(0.05, expected),
            )
        if self._waiting and self._bytes + size_bytes > self._policy.max_queue_bytes:
            raise QueueFull(
                f"The images that are waiting take {self._bytes:,} bytes already; try again shortly, or send to more "
                "replicas.",
                retry_seconds=max(0.05, expected),
            )
        if deadline is not None and now + expected > deadline:
            raise DeadlineUnreachable("The deadline is too short for the work that is waiting; allow more time.")

    def push(self, item: Item) -> None:
        self._line.push(item)
        self._rows[item.priority] += item.rows
        self._waiting += item.rows
        self._bytes += item.size_bytes

    def next(self, *, now: float, running: int, closing: bool = False) -> Cut[Item] | Pause:
        """What to do now. What it gives out is no longer in the queue."""
        if not len(self._line):
            return Pause()
        may_wait = self._may_wait(now)
        if len(self._line) == 1 and not (running or self._policy.max_delay_seconds or may_wait):
            full = self._waiting >= max(2, self._sizes.largest)  # an item alone waits for nobody
            return self._cut(self._waiting, now, Closed.FULL if full else Closed.IDLE, running=0, may_wait=False)
        # A quick model too has all lanes while so much waits that it is worth a thread of its own.
        quick = self._costs.expected(min(self._waiting, self._sizes.whole)) < WORTH_A_LANE_SECONDS
        free = (self._sizes.lanes if quick else self._policy.lanes) - running
        if free <= -self._ahead(may_wait=may_wait):
            return Pause()
        if free <= 0:  # one that is full gains nothing by waiting for the lane
            full = self._waiting >= self._sizes.largest
            size = self._at_most(self._sizes.largest, free=1, may_wait=may_wait)
            return self._cut(size, now, Closed.FULL, running=running, may_wait=may_wait) if full else Pause()
        if self._waiting >= self._sizes.largest or closing:
            closed = Closed.FULL if self._waiting >= max(2, self._sizes.largest) else Closed.IDLE
        else:
            pause, closed = self._patience(now, running)
            if pause > TICK_SECONDS:
                return Pause(seconds=pause)
        first = self._line.first().priority
        size = self._sizes.next(self._waiting, crowd=crowd_of(self._rows[first], first), free=free)
        most = self._at_most(size, free=free, may_wait=may_wait)
        return self._cut(most, now, closed, running=running, may_wait=may_wait)

    def _may_wait(self, now: float) -> bool:
        """Whether all who wait are of the lowest priority, their batches quick and their deadlines far, so that they
        may be handed over early and given back.
        """
        first = self._line.first()  # and nobody's deadline is earlier
        if self._at_once == 1 or first.priority is not Priority.LOW or not self._sizes.quick:
            return False
        needed = LONG_ENOUGH * self._costs.expected(self._at_once * self._sizes.largest)
        return first.deadline is None or now + needed <= first.deadline

    def _at_most(self, size: int, *, free: int, may_wait: bool) -> int:
        """Images that are given out together: of those who may wait as many full batches as there are for a lane."""
        full = self._waiting // (free * self._sizes.largest)
        return min(self._at_once, full) * self._sizes.largest if full > 1 and may_wait else size

    def _ahead(self, *, may_wait: bool) -> int:
        """Full batches that may be handed over while every lane is taken, to be made ready, or so that its threads need
        not wait until the loop hears of their end.
        """
        return max(1, self._policy.ahead) if may_wait else self._policy.ahead

    def _patience(self, now: float, running: int) -> tuple[float, Closed]:
        """How much longer to wait for company, and why not any longer."""
        delay = self._policy.max_delay_seconds or (self._sizes.window_seconds if running > 0 else 0.0)
        if delay == 0.0:
            return 0.0, Closed.IDLE
        oldest = self._line.oldest_arrival()
        ends = [
            item.arrival + PATIENCE * (item.deadline - item.arrival) for item in self._line if item.deadline is not None
        ]
        if self._policy.slo_seconds is not None:
            ends.append(oldest + PATIENCE * self._policy.slo_seconds)
        must_go = min(ends, default=math.inf) - self._costs.expected(self._waiting)
        long_enough = oldest + delay
        return min(must_go, long_enough) - now, Closed.DEADLINE if must_go < long_enough else Closed.DELAY

    def _cut(self, most: int, now: float, closed: Closed, *, running: int, may_wait: bool) -> Cut[Item]:
        overloaded = self._waiting >= self._sizes.largest
        items: list[Item] = []
        expired: list[Item] = []
        rows, latest = 0, math.inf
        while len(self._line):
            item = self._line.first()
            more, deadline = item.rows, item.deadline
            if items and (rows + more > most or item.kind is None or item.kind != items[0].kind):
                break
            needed = 0.0  # a free session is always tried
            if running or self._waiting > more:
                # Where more wait than fit, batches stay full, and whoever has no time for one has none at all.
                needed = self._costs.least(max(most, more) if overloaded else more)
            if item.gone or (deadline is not None and now + needed > deadline):
                self._take()
                if not item.gone:
                    expired.append(item)
                continue
            if deadline is not None and deadline < latest:
                latest = deadline
            if items and now + self._costs.expected(rows) <= latest < now + self._costs.expected(rows + more):
                closed = Closed.DEADLINE
                break
            items.append(self._take())
            rows += more
        patient = may_wait and (running >= self._policy.lanes or most > self._sizes.largest)
        return Cut(items=items, expired=expired, closed=closed, patient=patient)

    def _take(self) -> Item:
        item = self._line.pop()
        self._rows[item.priority] -= item.rows
        self._waiting -= item.rows
        self._bytes -= item.size_bytes
        return item

    def expected_seconds(self, rows: int, priority: Priority, coming: PerPriority = NOBODY) -> float:
        """In how long an item that joins now is answered: the batches of those who go before it, and its own."""
        return self._estimates.seconds(rows + self._before(priority, coming), priority)

    def _before(self, priority: Priority, coming: PerPriority) -> int:
        """Images that wait or come, and go before one that joins now."""
        before = sum([count for other, count in self._rows.items() if other <= priority])
        if coming:
            before += sum([count for other, count in coming.items() if other <= priority])
        return before
