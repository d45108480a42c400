"""Requests for a graph of any kind: named tensors in, each request's share of the outputs back.

Requests that follow one another and agree in types and shapes, but for the first dimension, are laid end to end along
it, up to the largest batch; a request that is larger is cut into several. Where the graph has no batch dimension each
goes alone and whole.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass

import numpy as np

from service.engine.batch_item import Computed, Part
from service.engine.batch_policy import BatchPolicy
from service.engine.batch_queue import BatchQueue, MayBegin
from service.engine.batch_report import Observe
from service.engine.datatypes import AnyTensor
from service.engine.priority import Priority
from service.errors import InferenceFailed

Tensors = Mapping[str, AnyTensor]
RunTensors = Callable[[Tensors], Awaitable[Tensors]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One request's part of a batch's outputs; where it was cut into several, the times are those of the slowest."""

    outputs: Tensors
    queue_seconds: float
    inference_seconds: float


class TensorBatcher:
    """The queue of one model that takes tensors; `joins` says whether requests may be computed together."""

    def __init__(self, run: RunTensors, policy: BatchPolicy, *, joins: bool, observe: Observe = lambda _: None) -> None:
        self._run = run
        self._joins = joins
        self._queue = BatchQueue[Tensors, Tensors](self._compute, policy, observe=observe)

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._queue.waiting

    @property
    def hanging_seconds(self) -> float:
        """How long a batch has been running that should have been done long ago; 0 where none is."""
        return self._queue.hanging_seconds

    async def start(self) -> None:
        """Begins to serve the queue."""
        await self._queue.start()

    async def drain(self) -> None:
        """Takes nothing new, answers all that was accepted, and stops."""
        await self._queue.drain()

    async def submit(
        self, tensors: Tensors, *, rows: int, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Share:
        """One request in, its outputs back; `rows` is its size along the batch dimension, 1 where there is none.

        Raises QueueFull or DeadlineUnreachable at once, ShuttingDown after `drain`, InferenceFailed where the session
        fails. `deadline` is on the clock of `time.monotonic`.
        """
        size = self._queue.largest
        if not self._joins or rows <= size:
            counts, pieces = [rows], [tensors]
        else:
            places = range(0, rows, size)
            counts = [min(size, rows - at) for at in places]
            pieces = [{name: tensor[at : at + size] for name, tensor in tensors.items()} for at in places]
        parts = [self._part(piece, count) for piece, count in zip(pieces, counts, strict=True)]
        timed = await self._queue.submit(parts, deadline=deadline, priority=priority)
        if len(timed) > 1:
            for part, count in zip(timed, counts, strict=True):
                _check_rows(part.value, count)
        return Share(
            outputs=_joined([part.value for part in timed]),
            queue_seconds=max(part.queue_seconds for part in timed),
            inference_seconds=max(part.inference_seconds for part in timed),
        )

    def _part(self, tensors: Tensors, rows: int) -> Part[Tensors]:
        size_bytes = sum(tensor.nbytes for tensor in tensors.values())
        kind = _kind(tensors) if self._joins else None
        return Part(payload=tensors, rows=rows, size_bytes=size_bytes, kind=kind)

    async def _compute(self, requests: list[Tensors], _may_begin: MayBegin | None) -> Computed[Tensors]:
        outputs = await self._run(_joined(requests))
        if len(requests) == 1:
            return Computed(results=[outputs])
        return Computed(results=_split(outputs, [len(next(iter(tensors.values()))) for tensors in requests]))


def _kind(tensors: Tensors) -> Hashable:
    return tuple((name, tensor.dtype.str, tensor.shape[1:]) for name, tensor in sorted(tensors.items()))


def _joined(requests: list[Tensors]) -> Tensors:
    if len(requests) == 1:
        return requests[0]
    return {name: np.concatenate([tensors[name] for tensors in requests]) for name in requests[0]}


def _split(outputs: Tensors, rows: list[int]) -> list[Tensors]:
    """Each request's rows of every output."""
    _check_rows(outputs, sum(rows))
    ends = np.cumsum(rows)
    return [
        {name: tensor[end - count : end] for name, tensor in outputs.items()}
        for count, end in zip(rows, ends, strict=True)
    ]


def _check_rows(outputs: Tensors, rows: int) -> None:
    """Raises InferenceFailed where the graph gave another number of rows than it was given."""
    for name, tensor in outputs.items():
        if tensor.ndim == 0 or len(tensor) != rows:
            raise InferenceFailed(
                f"The output {name} has no row for each item, so requests for this model cannot be computed together; "
                "its config.pbtxt should say max_batch_size: 0."
            )
