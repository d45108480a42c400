"""Decides which requests for a graph of any kind travel together: named tensors in, each request's share back.

Requests are never cut apart. Those that follow one another and agree in types and shapes, but for the first dimension,
are laid end to end along it, up to the policy's batch size; where the graph has no batch dimension each goes alone.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import numpy as np

from service.engine.batcher import BatchPolicy, BatchReport, Closed
from service.engine.datatypes import AnyTensor
from service.engine.priority import Priority
from service.engine.waiting_line import WaitingLine
from service.engine.worker import ends_the_worker, tell
from service.errors import DeadlineUnreachable, InferenceFailed, QueueFull, ServiceError, ShuttingDown

Tensors = Mapping[str, AnyTensor]
RunTensors = Callable[[Tensors], Awaitable[Tensors]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One request's part of a batch's outputs."""

    outputs: Tensors
    queue_seconds: float
    inference_seconds: float


@dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    tensors: Tensors
    rows: int
    future: asyncio.Future[Share]
    arrival: float
    deadline: float | None
    priority: Priority

    @property
    def kind(self) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
        return tuple((name, tensor.dtype.str, tensor.shape[1:]) for name, tensor in sorted(self.tensors.items()))


class TensorBatcher:
    """One queue before one session. Lives on one event loop: `start`, `submit` from any task, `drain`."""

    def __init__(
        self,
        run: RunTensors,
        policy: BatchPolicy,
        *,
        joins: bool,
        observe: Callable[[BatchReport], None] = lambda _: None,
    ) -> None:
        self._run = run
        self._policy = policy
        self._joins = joins
        self._observe = observe
        self._queue: WaitingLine[_Waiting] = WaitingLine()
        self._rows = 0
        self._arrived = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._batch_seconds = 0.0
        self._running = False
        self._closing = False

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._rows

    async def start(self) -> None:
        """Begins to serve the queue."""
        self._worker = asyncio.create_task(self._serve(), name="tensor-batcher")

    async def submit(
        self, tensors: Tensors, *, rows: int, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Share:
        """One request in, its outputs back; `rows` is its size along the batch dimension, 1 where there is none.

        Raises QueueFull or DeadlineUnreachable at once, ShuttingDown after `drain`, InferenceFailed where the session
        fails. `deadline` is on the clock of `time.monotonic`.
        """
        now = time.monotonic()
        self._admit(now, deadline)
        future: asyncio.Future[Share] = asyncio.get_running_loop().create_future()
        self._queue.push(
            _Waiting(tensors=tensors, rows=rows, future=future, arrival=now, deadline=deadline, priority=priority)
        )
        self._rows += rows
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
        expected = self._policy.expected_seconds(waiting=self._rows, batch_seconds=self._batch_seconds)
        if self._rows >= self._policy.max_queue_images:
            raise QueueFull(
                f"{self._rows} items are waiting already; try again shortly, or send to more replicas.",
                retry_seconds=max(0.05, expected),
            )
        # An idle session is always tried: only a batch that runs mends an estimate that one slow batch has spoilt.
        if deadline is not None and now + (expected if self._running or self._queue else 0.0) > deadline:
            raise DeadlineUnreachable("The deadline is too short for the work that is waiting; allow more time.")

    async def _serve(self) -> None:
        while await self._wait_for_batch():
            closed = self._policy.reason(waiting=self._rows)
            batch = self._cut()
            if batch:
                await self._execute(batch, closed)

    async def _wait_for_batch(self) -> bool:
        """Returns when a batch is to be cut; false when the queue is empty and closed."""
        while True:
            self._arrived.clear()
            wait = None
            if self._queue:
                wait = self._policy.wait_seconds(
                    waiting=self._rows, oldest_arrival=self._queue.oldest_arrival(), now=time.monotonic()
                )
                if wait <= 0.0 or self._closing or not self._joins:
                    return True
            elif self._closing:
                return False
            try:
                await asyncio.wait_for(self._arrived.wait(), wait)
            except TimeoutError:
                return True

    def _cut(self) -> list[_Waiting]:
        """The next requests that fit together, without those that nobody waits for any more."""
        batch: list[_Waiting] = []
        rows = 0
        while self._queue:
            item = self._queue.first()
            if batch and (
                not self._joins or rows + item.rows > self._policy.max_batch_size or item.kind != batch[0].kind
            ):
                break
            self._queue.pop()
            self._rows -= item.rows
            if item.future.done():
                continue
            if item.deadline is not None and time.monotonic() > item.deadline:
                item.future.set_exception(DeadlineUnreachable("The deadline passed while the request was waiting."))
                continue
            batch.append(item)
            rows += item.rows
        return batch

    async def _execute(self, batch: list[_Waiting], closed: Closed) -> None:
        began = time.monotonic()
        self._running = True
        try:
            outputs = await self._run(_joined(batch))
            parts = _split(outputs, [item.rows for item in batch])
        except BaseException as error:  # whatever the runtime raises fails this batch and no other
            _fail(batch, error)
            if ends_the_worker(error):
                raise
            return
        finally:
            self._running = False
        seconds = time.monotonic() - began
        self._batch_seconds = seconds if self._batch_seconds == 0.0 else 0.8 * self._batch_seconds + 0.2 * seconds
        for item, part in zip(batch, parts, strict=True):
            if not item.future.done():  # the caller may have gone away while the batch was running
                item.future.set_result(
                    Share(outputs=part, queue_seconds=began - item.arrival, inference_seconds=seconds)
                )
        waits = tuple(began - item.arrival for item in batch)
        size = sum(item.rows for item in batch)
        report = BatchReport(size=size, closed=closed, queue_seconds=waits, inference_seconds=seconds)
        tell(self._observe, report)


def _joined(batch: list[_Waiting]) -> Tensors:
    if len(batch) == 1:
        return batch[0].tensors
    return {name: np.concatenate([item.tensors[name] for item in batch]) for name in batch[0].tensors}


def _split(outputs: Tensors, rows: list[int]) -> list[Tensors]:
    """Each request's rows of every output. Raises InferenceFailed where the graph gave another number of them."""
    if len(rows) == 1:
        return [outputs]
    for name, tensor in outputs.items():
        if tensor.ndim == 0 or len(tensor) != sum(rows):
            raise InferenceFailed(
                f"The output {name} has no row for each item, so requests for this model cannot be computed together; "
                "its config.pbtxt should say max_batch_size: 0."
            )
    ends = np.cumsum(rows)
    return [
        {name: tensor[end - count : end] for name, tensor in outputs.items()}
        for count, end in zip(rows, ends, strict=True)
    ]


def _fail(batch: list[_Waiting], error: BaseException) -> None:
    """An error that is the caller's own is told as it is where there is one caller."""
    if isinstance(error, InferenceFailed) or (isinstance(error, ServiceError) and len(batch) == 1):
        failure: ServiceError = error
    else:
        failure = InferenceFailed("The model could not compute this batch; the server's log has the cause.")
        failure.__cause__ = error
    for item in batch:
        if not item.future.done():
            item.future.set_exception(failure)
