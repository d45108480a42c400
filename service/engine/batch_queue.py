"""One queue before one session: clock, futures and tasks around a scheduler that says what to do.

Lives on one event loop: `start`, `submit` from any task, `drain`.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic

from service.engine.batch_costs import BatchCosts
from service.engine.batch_item import Computed, Item, Part, Payload, Result, Timed, expire, fail
from service.engine.batch_policy import BatchPolicy
from service.engine.batch_report import Observe, answer, whole
from service.engine.cut import Cut
from service.engine.eager import start_now
from service.engine.lanes import Lanes
from service.engine.priority import NOBODY, PerPriority, Priority
from service.engine.running import RunningBatches
from service.engine.scheduler import Scheduler
from service.engine.worker import ends_the_worker, tell
from service.errors import InferenceFailed, ShuttingDown

MayBegin = Callable[[int], bool]
"""Whether a batch that begins with the payload of this number is still to be begun; may be asked from any thread."""
Compute = Callable[[list[Payload], MayBegin | None], Awaitable[Computed[Result]]]


class BatchQueue(Generic[Payload, Result]):
    """Starts a batch in each lane as soon as the scheduler gives one out."""

    def __init__(
        self,
        compute: Compute[Payload, Result],
        policy: BatchPolicy,
        *,
        at_once: int = 1,
        observe: Observe = lambda _: None,
    ) -> None:
        """Where `compute` may be given several full batches `at_once`, it is told how to ask before each of them; what
        it has not begun waits again.
        """
        self._compute = compute
        self._policy = policy
        self._at_once = at_once
        self._observe = observe
        self._scheduler = Scheduler[Item[Payload, Result]](policy, BatchCosts(), at_once=at_once)
        self._running = RunningBatches()
        self._wake: asyncio.Handle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._started = self._closing = False
        self._lanes = Lanes(policy.lanes)

    @property
    def waiting(self) -> int:
        """Images in the queue, those of callers who went away included until they would be next."""
        return self._scheduler.waiting

    @property
    def largest(self) -> int:
        """Most images in a batch."""
        return self._scheduler.sizes.largest

    @property
    def whole(self) -> int:
        """Most images of one request that go as one part."""
        return self._scheduler.sizes.whole

    @property
    def piece(self) -> int:
        """The same where each may go alone."""
        return self._scheduler.sizes.piece

    @property
    def takes_lone(self) -> bool:
        """Whether an image that comes now may be prepared by the thread that computes it: nothing is under way, and
        another thread is there for whoever comes next.
        """
        alone = not self._running and not self._scheduler.waiting
        return alone and self._scheduler.sizes.lanes > 1 and self._policy.takes_lone

    @property
    def hanging_seconds(self) -> float:
        """How long a batch has been running that should have been done long ago; 0 where none is."""
        return self._running.hanging_seconds(self._scheduler.expected, time.monotonic())

    def expect(self, costs: BatchCosts) -> None:
        """Takes what was measured since; before the start."""
        self._scheduler = Scheduler(self._policy, costs, at_once=self._at_once)

    async def start(self) -> None:
        """Begins to serve the queue."""
        self._started = True
        self._look_soon()

    def admit(
        self, *, rows: int, size_bytes: int, deadline: float | None, priority: Priority, coming: PerPriority = NOBODY
    ) -> float:
        """The time now. Raises QueueFull or DeadlineUnreachable; so many that are coming count as if they were here."""
        now = time.monotonic()
        self._scheduler.admit(
            rows=rows,
            size_bytes=size_bytes,
            deadline=deadline,
            priority=priority,
            now=now,
            running=len(self._running),
            coming=coming,
        )
        return now

    async def submit(
        self, parts: Sequence[Part[Payload]], *, deadline: float | None, priority: Priority
    ) -> list[Timed[Result]]:
        """The parts of one request; what one of them raises ends the others.

        Raises QueueFull or DeadlineUnreachable at once, ShuttingDown after `drain`, InferenceFailed or a caller's own
        error where the session fails. `deadline` is on the clock of `time.monotonic`.
        """
        futures = self.put(parts, deadline=deadline, priority=priority)
        if len(futures) == 1:
            return [await futures[0]]
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                future.cancel()

    def put(
        self, parts: Sequence[Part[Payload]], *, deadline: float | None, priority: Priority
    ) -> list[asyncio.Future[Timed[Result]]]:
        """Lets all parts in or none: a future for each, to be cancelled by whoever waits for it no longer.

        Raises what `submit` raises at once.
        """
        if self._closing:
            raise ShuttingDown("The server is shutting down; send the request to another one.")
        now = self.admit(
            rows=sum([part.rows for part in parts]),
            size_bytes=sum([part.size_bytes for part in parts]),
            deadline=deadline,
            priority=priority,
        )
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Timed[Result]]] = [loop.create_future() for _ in parts]
        for part, future in zip(parts, futures, strict=True):
            self._scheduler.push(Item(part=part, future=future, arrival=now, deadline=deadline, priority=priority))
        self._look_soon()
        return futures

    async def drain(self) -> None:
        """Takes nothing new, answers all that was accepted, and stops."""
        self._closing = True
        if not self._started:
            return
        self._look()
        while self._running or self._wake is not None:
            await (asyncio.wait(list(self._running)) if self._running else asyncio.sleep(0))
        await asyncio.sleep(0)  # whoever was answered last hears of it before the session is released

    def _look_soon(self) -> None:
        """After all that is ready now, so that whatever comes in one moment can go together."""
        if self._wake is None and self._started:
            self._wake = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Starts what is to be started now."""
        for handle in (self._wake, self._alarm):
            if handle is not None:
                handle.cancel()
        self._wake = self._alarm = None
        while True:
            now = time.monotonic()
            step = self._scheduler.next(now=now, running=len(self._running), closing=self._closing)
            if not isinstance(step, Cut):
                break
            for item in step.expired:
                expire(item)
            if step.items and self._start(step, now):
                if self._scheduler.waiting:
                    self._look_soon()  # a batch was computed on the loop; others have their turn before the next
                return
        if step.seconds is not None:
            self._alarm = asyncio.get_running_loop().call_later(step.seconds, self._look)

    def _start(self, step: Cut[Item[Payload, Result]], now: float) -> bool:
        """Whether the batch is done already."""
        task, items = start_now(self._execute(step), name="batch"), step.items
        if task is None:
            return True
        began_at = items[0].part.began_at or (lambda: now)
        self._running.add(task, rows=sum(item.rows for item in items), began_at=began_at)
        task.add_done_callback(self._done)
        return False

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.remove(task)
        self._look()

    async def _execute(self, step: Cut[Item[Payload, Result]]) -> None:
        turn, items = self._lanes.enter(time.monotonic()), step.items
        try:
            may_begin = partial(self._may_begin, items) if step.patient else None
            computed = await self._compute([item.part.payload for item in items], may_begin)
            parts = len(items) if computed.batches is None else sum(batch.parts for batch in computed.batches)
            if len(computed.results) != parts:
                raise InferenceFailed("The model gave another number of answers than it was given images.")
        except BaseException as error:  # whatever the runtime raises fails this batch and no other
            fail(items, error)
            if ends_the_worker(error):
                raise
            return
        finally:
            ended = time.monotonic()
            self._lanes.leave(turn, ended)
        batches = computed.batches
        if batches is None:
            began_at = turn.began_at if items[0].part.began_at is None else items[0].part.began_at()
            batches = (whole(items, computed, began_at, ended - began_at),)
        done = 0
        for batch in batches:
            some = slice(done, done + batch.parts)
            report = answer(items[some], computed.results[some], batch, step.closed)
            self._scheduler.observe(report.size, batch.seconds)
            tell(self._observe, report)
            done += batch.parts
        if (failure := computed.failure) is not None:
            fail(items[done : done + failure.parts], failure.error)
            done += failure.parts
        for item in items[done:]:  # somebody more important came
            self._scheduler.push(item)

    def _may_begin(self, items: Sequence[Item[Payload, Result]], place: int) -> bool:
        """Not where somebody more important waits, where it would be for nobody, or where it is too late."""
        first = items[place]  # whose deadline is the earliest of the batch
        in_time = first.deadline is None or time.monotonic() <= first.deadline
        return in_time and not first.gone and not self._scheduler.urgent
