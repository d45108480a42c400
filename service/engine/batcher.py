"""Decides which images travel together: tensors in one by one, batches to a session, each row back to its caller.

A batch is cut at once when the session is idle, so that nobody waits for company; while one batch runs, the next
gathers. A wait for company can be asked for (`max_delay_seconds`); it runs from the arrival of the oldest image and
never restarts.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from service.engine.priority import Priority
from service.engine.session import Outputs
from service.engine.waiting_line import WaitingLine
from service.engine.worker import ends_the_worker, tell
from service.errors import DeadlineUnreachable, InferenceFailed, QueueFull, ShuttingDown

Tensor = npt.NDArray[np.uint8]
Run = Callable[[Tensor], Awaitable[Outputs]]


class Closed(StrEnum):
    """Why a batch was cut when it was."""

    FULL = "full"
    DELAY = "delay"
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPolicy:
    """When a batch is cut and what is refused. Pure: it holds no clock and no thread."""

    max_batch_size: int = 64
    max_delay_seconds: float = 0.0
    max_queue_images: int = 1024

    def wait_seconds(self, *, waiting: int, oldest_arrival: float, now: float) -> float:
        """How much longer to wait for company; 0 when the batch is to be cut now."""
        if waiting >= self.max_batch_size:
            return 0.0
        return max(0.0, oldest_arrival + self.max_delay_seconds - now)

    def reason(self, *, waiting: int) -> Closed:
        """Why a batch that is cut now was cut."""
        if waiting >= self.max_batch_size:
            return Closed.FULL
        return Closed.DELAY if self.max_delay_seconds > 0 else Closed.IDLE

    def expected_seconds(self, *, waiting: int, batch_seconds: float) -> float:
        """In how long an image that joins the queue now is answered: the batches before it, and its own."""
        return (waiting // self.max_batch_size + 1) * batch_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What is known of a batch when it is done, for the metrics."""

    size: int
    closed: Closed
    queue_seconds: tuple[float, ...]
    inference_seconds: float
    callers: tuple[contextvars.Context, ...] = ()
    """In which each of the images was submitted, so that whoever watches can say for whom the batch ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image's share of a batch's outputs."""

    logits: npt.NDArray[np.float32]  # (labels,)
    embedding: npt.NDArray[np.float32] | None  # (embedding_size,)
    queue_seconds: float
    inference_seconds: float
    batch_size: int
    computed_at: float = 0.0
    """When the batch began, on the clock of `time.monotonic`."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    tensor: Tensor
    future: asyncio.Future[Row]
    arrival: float
    deadline: float | None
    priority: Priority
    caller: contextvars.Context


class Batcher:
    """One queue before one session. Lives on one event loop: `start`, `submit` from any task, `drain`."""

    def __init__(
        self, run: Run, policy: BatchPolicy, *, observe: Callable[[BatchReport], None] = lambda _: None
    ) -> None:
        self._run = run
        self._policy = policy
        self._observe = observe
        self._queue: WaitingLine[_Waiting] = WaitingLine()
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._batch_seconds = 0.0
        self._running = False
        self._closing = False

    @property
    def waiting(self) -> int:
        """Images in the queue, those of callers who went away included until the next cut."""
        return len(self._queue)

    async def start(self) -> None:
        """Begins to serve the queue."""
        self._worker = asyncio.create_task(self._serve(), name="batcher")

    async def submit(
        self, tensor: Tensor, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Row:
        """One image `[H, W, C]` in, its outputs back. `deadline` is on the clock of `time.monotonic`.

        Raises QueueFull or DeadlineUnreachable at once, ShuttingDown after `drain`, InferenceFailed where the session
        fails.
        """
        now = time.monotonic()
        self._admit(now, deadline)
        future: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._queue.push(
            _Waiting(
                tensor=tensor,
                future=future,
                arrival=now,
                deadline=deadline,
                priority=priority,
                caller=contextvars.copy_context(),
            )
        )
        self._arrived.set()
        return await future

    async def drain(self) -> None:
        """Takes nothing new, answers all that was accepted, and stops."""
        self._closing = True
        self._arrived.set()
        if self._worker is not None:
            await self._worker

    def _admit(self, now: float, deadline: float | None) -> None:
        if self._closing:
            raise ShuttingDown("The server is shutting down; send the request to another one.")
        if len(self._queue) >= self._policy.max_queue_images:
            raise QueueFull(
                f"{len(self._queue)} images are waiting already; try again shortly, or send to more replicas.",
                retry_seconds=max(0.05, self._expected_seconds()),
            )
        # An idle session is always tried: only a batch that runs mends an estimate that one slow batch has spoilt.
        expected = self._expected_seconds() if self._running or self._queue else 0.0
        if deadline is not None and now + expected > deadline:
            raise DeadlineUnreachable("The deadline is too short for the work that is waiting; allow more time.")

    def _expected_seconds(self) -> float:
        return self._policy.expected_seconds(waiting=len(self._queue), batch_seconds=self._batch_seconds)

    async def _serve(self) -> None:
        while await self._wait_for_batch():
            closed = self._policy.reason(waiting=len(self._queue))
            batch = self._cut()
            if batch:
                await self._execute(batch, closed)

    async def _wait_for_batch(self) -> bool:
        """Returns when a batch is to be cut; false when the queue is empty and closed."""
        while True:
            self._arrived.clear()
            if self._queue:
                wait = self._policy.wait_seconds(
                    waiting=len(self._queue), oldest_arrival=self._queue.oldest_arrival(), now=time.monotonic()
                )
                if wait <= 0.0 or self._closing:
                    return True
            elif self._closing:
                return False
            else:
                wait = None
            try:
                await asyncio.wait_for(self._arrived.wait(), wait)
            except TimeoutError:
                return True

    def _cut(self) -> list[_Waiting]:
        """The next images, without those whose caller went away or whose deadline has passed."""
        batch: list[_Waiting] = []
        now = time.monotonic()
        while self._queue and len(batch) < self._policy.max_batch_size:
            item = self._queue.pop()
            if item.future.done():
                continue
            if item.deadline is not None and now > item.deadline:
                item.future.set_exception(DeadlineUnreachable("The deadline passed while the image was waiting."))
                continue
            batch.append(item)
        return batch

    async def _execute(self, batch: list[_Waiting], closed: Closed) -> None:
        began = time.monotonic()
        self._running = True
        try:
            outputs = await self._run(np.stack([item.tensor for item in batch]))
            if any(len(rows) != len(batch) for rows in (outputs.logits, outputs.embeddings) if rows is not None):
                raise InferenceFailed("The model gave another number of answers than it was given images.")
        except BaseException as error:  # whatever the runtime raises fails this batch and no other
            self._fail(batch, error)
            if ends_the_worker(error):
                raise
            return
        finally:
            self._running = False
        seconds = time.monotonic() - began
        self._batch_seconds = seconds if self._batch_seconds == 0.0 else 0.8 * self._batch_seconds + 0.2 * seconds
        self._answer(batch, outputs, began, seconds)
        waits = tuple(began - item.arrival for item in batch)
        tell(
            self._observe,
            BatchReport(
                size=len(batch),
                closed=closed,
                queue_seconds=waits,
                inference_seconds=seconds,
                callers=tuple(item.caller for item in batch),
            ),
        )

    @staticmethod
    def _answer(batch: list[_Waiting], outputs: Outputs, began: float, seconds: float) -> None:
        for place, item in enumerate(batch):
            if item.future.done():  # the caller went away while the batch was running
                continue
            row = Row(
                logits=outputs.logits[place],
                embedding=None if outputs.embeddings is None else outputs.embeddings[place],
                queue_seconds=began - item.arrival,
                inference_seconds=seconds,
                batch_size=len(batch),
                computed_at=began,
            )
            item.future.set_result(row)

    @staticmethod
    def _fail(batch: list[_Waiting], error: BaseException) -> None:
        failure = InferenceFailed("The model could not compute this batch; the server's log has the cause.")
        failure.__cause__ = error
        for item in batch:
            if not item.future.done():
                item.future.set_exception(failure)
