"""Stands around every run on the device and knows its faults by their words, since ONNX Runtime has no types for them.

Out of memory: the batch is computed once more in halves; where that fails too its callers are told to try again, and
after three batches in a row the device is given up. Any other CUDA error is for good: the context is broken, whatever
is computed in it can be wrong, and only a new process has a new one.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeVar

import numpy as np
import structlog

from service.engine.batcher import Run, Tensor
from service.engine.session import Outputs
from service.errors import DeviceExhausted, DeviceLost

log = structlog.get_logger("service.device")

MOST_FAILURES_IN_A_ROW = 3
MEMORY = re.compile(
    r"out of memory|failed to allocate memory|bad[_ ]alloc|_ALLOC_FAILED|is smaller than requested bytes"
    r"|BFCArena::AllocateRawInternal|BFCArena::Extend",
    re.IGNORECASE,
)
LOST = re.compile(
    r"CUDA (failure|error)|CUDNN[ _](failure|error|STATUS)|CUBLAS[ _](failure|error|STATUS)|cudaError|CUDA_ERROR"
    r"|illegal memory access|device-side assert|unspecified launch failure|uncorrectable ECC|GPU is lost"
    r"|fallen off the bus",
    re.IGNORECASE,
)

Batch = TypeVar("Batch")
Result = TypeVar("Result")


class Fault(StrEnum):
    """What is wrong with the device."""

    MEMORY = "memory"
    LOST = "lost"


def fault_of(error: BaseException | None) -> Fault | None:
    """None where the error, and whatever caused it, says nothing of the device."""
    while error is not None:
        text = str(error)
        if MEMORY.search(text):
            return Fault.MEMORY
        if LOST.search(text):
            return Fault.LOST
        error = error.__cause__
    return None


class DeviceGuard:
    """One for all sessions of the process. Lives on one event loop."""

    def __init__(self, *, observe: Callable[[Fault], None] = lambda _: None) -> None:
        self._observe = observe
        self._failures = 0
        self.lost = asyncio.Event()
        """Set when nothing may be computed here any more."""
        self.reason = ""
        """Why, for the log and the operator."""

    async def run(self, compute: Run, images: Tensor) -> Outputs:
        """The outputs of a batch. Raises DeviceExhausted, DeviceLost, or what the session raises otherwise."""
        try:
            return await self._attempt(compute, images)
        except DeviceExhausted as error:
            if len(images) < 2:
                self._count(error)
                raise
            log.warning("out of memory; computed again in halves", images=len(images), cause=str(error.__cause__))
        try:
            halves = [await self._attempt(compute, half) for half in np.array_split(images, 2)]
        except DeviceExhausted as error:
            self._count(error)
            raise
        embeddings = [half.embeddings for half in halves if half.embeddings is not None]
        return Outputs(
            logits=np.concatenate([half.logits for half in halves]),
            embeddings=np.concatenate(embeddings) if embeddings else None,
        )

    async def whole(self, compute: Callable[[Batch], Awaitable[Result]], batch: Batch) -> Result:
        """The same for batches that cannot be cut."""
        try:
            return await self._attempt(compute, batch)
        except DeviceExhausted as error:
            self._count(error)
            raise

    def look_at(self, error: BaseException | None) -> None:
        """For what went wrong while a model was loaded."""
        if fault_of(error) is Fault.LOST:
            self._give_up(str(error))

    async def _attempt(self, compute: Callable[[Batch], Awaitable[Result]], batch: Batch) -> Result:
        if self.lost.is_set():
            raise _lost()
        try:
            result = await compute(batch)
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            self._observe(fault)
            if fault is Fault.LOST:
                self._give_up(str(error))
                raise _lost() from error
            raise DeviceExhausted(
                "The device had no memory left for this batch; try again shortly, or send to another replica."
            ) from error
        self._failures = 0
        return result

    def _count(self, error: DeviceExhausted) -> None:
        """One more batch that found no memory at all."""
        self._failures += 1
        if self._failures >= MOST_FAILURES_IN_A_ROW:
            self._give_up(f"{self._failures} batches in a row found no memory: {error.__cause__}")

    def _give_up(self, reason: str) -> None:
        if not self.lost.is_set():
            log.critical("device lost", reason=reason)
            self.reason = reason
            self.lost.set()


def _lost() -> DeviceLost:
    return DeviceLost("The device of this server has failed and the server ends; send the request to another one.")
