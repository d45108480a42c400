"""Images to a session and each one's row back: one by one or several at a time, computed in batches.

When a batch is cut is the scheduler's business (scheduler.py), how it gets there the queue's (batch_queue.py).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from service.engine.batch_costs import BatchCosts
from service.engine.batch_item import Batch, Computed, Failure, Part, Timed
from service.engine.batch_policy import BatchPolicy, Closed
from service.engine.batch_queue import BatchQueue, MayBegin
from service.engine.batch_report import BatchReport, Observe
from service.engine.lone import Lone
from service.engine.patient import NothingComputed, Patient
from service.engine.priority import PerPriority, Priority
from service.engine.rows import Piece, Row, Rows, piece_of, rows_of, shares_of
from service.engine.session import Outputs
from service.errors import DeadlineUnreachable, InferenceFailed, QueueFull, ServiceError

__all__ = ["BatchPolicy", "BatchReport", "Batcher", "Closed", "Piece", "Row", "Rows", "Run", "Tensor"]

BATCHES_AT_ONCE = 4
"""At the lowest priority, on a CPU: as many as a batch job has in a request of small images."""
MOST_KEPT = 2
"""Batches whose memory is kept: of the one that is computed and of the one that is made ready."""
LARGEST_ON_LOOP_BYTES = 2**20
"""That are copied there; as much takes about as long as the way to a thread and back."""

Tensor = npt.NDArray[np.uint8]
Run = Callable[[Tensor], Awaitable[Outputs]]
RunJob = Callable[[Any], Awaitable[Any]]
"""What `Place.compute_job` does."""
Payload: TypeAlias = Tensor | Lone[Any]


class Batcher:
    """The queue of one model that takes images of one size."""

    def __init__(
        self, run: Run, policy: BatchPolicy, *, run_job: RunJob | None = None, observe: Observe = lambda _: None
    ) -> None:
        """Without `run_job` every image is prepared elsewhere, and every batch handed over by itself."""
        self._run = run
        self._run_job = run_job
        self._memory: list[Tensor] = []
        at_once = 1 if run_job is None or policy.ahead else BATCHES_AT_ONCE
        self._queue = BatchQueue[Payload, Outputs](self._compute, policy, at_once=at_once, observe=observe)

    @property
    def waiting(self) -> int:
        """Images in the queue, those of callers who went away included until they would be next."""
        return self._queue.waiting

    @property
    def hanging_seconds(self) -> float:
        """How long a batch has been running that should have been done long ago; 0 where none is."""
        return self._queue.hanging_seconds

    def expect(self, seconds: Mapping[int, float]) -> None:
        """What batches take, by size; before the start. Without it the first batches teach."""
        self._queue.expect(BatchCosts(seconds))

    async def start(self) -> None:
        """Begins to serve the queue."""
        await self._queue.start()

    async def drain(self) -> None:
        """Takes nothing new, answers all that was accepted, and stops."""
        await self._queue.drain()

    def check_room(self, *, deadline: float | None, priority: Priority, coming: PerPriority) -> None:
        """Raises QueueFull or DeadlineUnreachable where one more image would not be let in after those that come."""
        self._queue.admit(rows=1, size_bytes=0, deadline=deadline, priority=priority, coming=coming)

    async def submit(
        self, tensor: Tensor, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Row:
        """One image `[H, W, C]` in, its outputs back. `deadline` is on the clock of `time.monotonic`.

        Raises QueueFull or DeadlineUnreachable at once, ShuttingDown after `drain`, InferenceFailed where the session
        fails.
        """
        (timed,) = await self._queue.submit([_part(tensor[np.newaxis])], deadline=deadline, priority=priority)
        (row,) = rows_of(timed)
        return row

    @property
    def takes_lone(self) -> bool:
        """Whether an image that comes now is best prepared by the thread that computes it."""
        return self._run_job is not None and self._queue.takes_lone

    async def submit_lone(
        self, lone: Lone[Any], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Row:
        """What `submit` gives and raises, and what the preparing of the image raises; only where `takes_lone`."""
        part: Part[Payload] = Part(payload=lone, rows=1, size_bytes=0, kind=None, began_at=lambda: lone.began_at)
        try:
            (timed,) = await self._queue.submit([part], deadline=deadline, priority=priority)
        finally:
            lone.wanted = False
        (row,) = rows_of(timed)
        return row

    async def submit_each(
        self, tensors: Tensor, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> list[Piece]:
        """Images `[N, H, W, C]` in, for each its outputs back or why there are none, in their order.

        Where images are cheap they go in pieces, which costs the loop a fraction of what single ones do. A piece that
        is not let in is taken apart, so that as many of its images are answered as there is room for.
        """
        size = self._queue.piece
        placed = [
            one
            for at in range(0, len(tensors), size)
            for one in self._placed(tensors[at : at + size], deadline=deadline, priority=priority)
        ]
        futures = [outcome for _, outcome in placed if isinstance(outcome, asyncio.Future)]
        try:
            timed = iter(await asyncio.gather(*futures, return_exceptions=True))
        finally:
            for future in futures:
                future.cancel()
        return [
            piece_of(images, next(timed) if isinstance(outcome, asyncio.Future) else outcome)
            for images, outcome in placed
        ]

    def _placed(
        self, tensors: Tensor, *, deadline: float | None, priority: Priority
    ) -> list[tuple[int, asyncio.Future[Timed[Outputs]] | ServiceError]]:
        """A piece in the queue, with the number of its images; where it is not let in, its images one by one."""
        try:
            return [(len(tensors), self._queue.put([_part(tensors)], deadline=deadline, priority=priority)[0])]
        except (QueueFull, DeadlineUnreachable) as error:
            if len(tensors) == 1:
                return [(1, error)]
            alone = (tensors[at : at + 1] for at in range(len(tensors)))
            return [one for tensor in alone for one in self._placed(tensor, deadline=deadline, priority=priority)]
        except ServiceError as error:
            return [(len(tensors), error)]

    async def submit_many(
        self, tensors: Tensor, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Rows:
        """Images `[N, H, W, C]` in, their outputs back: together, or in several batches where there are more than fit.

        Raises what `submit` raises; then none of them is answered.
        """
        size = self._queue.whole
        parts = [_part(tensors[at : at + size]) for at in range(0, len(tensors), size)]
        timed = await self._queue.submit(parts, deadline=deadline, priority=priority)
        if len(timed) == 1:
            (only,) = timed
            return Rows(
                logits=only.value.logits,
                embeddings=only.value.embeddings,
                queue_seconds=only.queue_seconds,
                inference_seconds=only.inference_seconds,
            )
        embeddings = [part.value.embeddings for part in timed if part.value.embeddings is not None]
        return Rows(
            logits=np.concatenate([part.value.logits for part in timed]),
            embeddings=np.concatenate(embeddings) if embeddings else None,
            queue_seconds=max(part.queue_seconds for part in timed),
            inference_seconds=max(part.inference_seconds for part in timed),
        )

    async def _compute(self, payloads: list[Payload], may_begin: MayBegin | None) -> Computed[Outputs]:
        if isinstance(payloads[0], Lone):
            return await self._compute_lone(payloads[0])
        parts = cast("list[Tensor]", payloads)  # a lone one is never in company
        if may_begin is not None and self._run_job is not None:
            patient = Patient(parts, largest=self._queue.largest, may_begin=may_begin)
            return await self._compute_patiently(self._run_job, patient)
        outputs = await self._together(parts)
        return Computed(results=shares_of(outputs, parts), padding=outputs.padding)

    async def _compute_patiently(self, run_job: RunJob, patient: Patient) -> Computed[Outputs]:
        try:
            done = await run_job(patient)
        except NothingComputed:
            return await self._compute_first(patient.batches[0])
        results = [
            share
            for (_, outputs), parts in zip(done, patient.batches, strict=False)
            for share in shares_of(outputs, parts)
        ]
        return Computed(results=results, batches=[batch for batch, _ in done])

    async def _compute_first(self, parts: list[Tensor]) -> Computed[Outputs]:
        """Of several batches; where it fails once more, it fails alone."""
        began_at = time.monotonic()
        try:
            outputs = await self._together(parts)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to who waits
            return Computed(results=(), batches=(), failure=Failure(parts=len(parts), error=error))
        seconds = time.monotonic() - began_at
        batch = Batch(parts=len(parts), began_at=began_at, seconds=seconds, padding=outputs.padding)
        return Computed(results=shares_of(outputs, parts), batches=[batch])

    async def _together(self, parts: list[Tensor]) -> Outputs:
        """In one batch."""
        if len(parts) == 1:
            outputs = await self._run(parts[0])
        elif sum(part.nbytes for part in parts) <= LARGEST_ON_LOOP_BYTES:
            outputs = await self._run(np.concatenate(parts))
        else:
            outputs = await self._run_laid_together(parts)
        outputs.check(images=sum(map(len, parts)))
        return outputs

    async def _compute_lone(self, lone: Lone[Any]) -> Computed[Outputs]:
        outputs = None if self._run_job is None else await self._run_job(lone)
        if outputs is None:
            raise lone.refusal or InferenceFailed("This model computes no image that is not prepared.")
        outputs.check(images=1)
        return Computed(results=[outputs], prepared_seconds=lone.began_at - lone.came_at)

    async def _run_laid_together(self, parts: list[Tensor]) -> Outputs:
        """In memory that is used again, since fresh pages cost more than the copy, and not copied on the event loop."""
        size = sum(map(len, parts))
        memory = self._memory.pop() if self._memory else np.empty(0, dtype=np.uint8)
        if memory.shape[1:] != parts[0].shape[1:] or len(memory) < size:
            memory = np.empty((max(size, self._queue.largest), *parts[0].shape[1:]), dtype=np.uint8)
        lay = partial(np.concatenate, parts, out=memory[:size])
        outputs = await self._run(await asyncio.get_running_loop().run_in_executor(None, lay))
        if len(self._memory) < MOST_KEPT:
            self._memory.append(memory)
        return outputs


def _part(tensors: Tensor) -> Part[Payload]:
    return Part(payload=tensors, rows=len(tensors), size_bytes=tensors.nbytes)
