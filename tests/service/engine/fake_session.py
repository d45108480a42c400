"""Stands in for the session behind the batcher: notes the batches, waits at a gate, fails or miscounts on request."""

import asyncio
from collections import deque

import numpy as np

from service.engine.batcher import Batcher, Tensor
from service.engine.session import Outputs


def image(value: int) -> Tensor:
    """A picture of one colour, by which its answer can be told."""
    return np.full((2, 3, 1), value, dtype=np.uint8)


class FakeSession:
    """Logits of an image of colour `v` are `(v, -v)`, its embedding is `(v,)`.

    `failures` are raised first come first; `missing_*` rows are left out, or are too many where negative.
    """

    def __init__(self, *, labels: int = 2) -> None:
        self.batches: list[list[int]] = []
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: deque[BaseException] = deque()
        self.missing_logits = 0
        self.missing_embeddings = 0
        self._labels = labels

    async def run(self, images: Tensor) -> Outputs:
        values = images[:, 0, 0, 0].astype(np.float32)  # (N,)
        self.batches.append([int(value) for value in values])
        self.started.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.popleft()
        signs = np.array([1.0, -1.0, 0.0][: self._labels], dtype=np.float32)
        logits = values[:, np.newaxis] * signs  # (N, labels)
        return Outputs(
            logits=np.resize(logits, (len(values) - self.missing_logits, self._labels)),
            embeddings=np.resize(values, (len(values) - self.missing_embeddings, 1)),
        )

    async def wait_until_busy(self) -> None:
        async with asyncio.timeout(60):
            await self.started.wait()


async def wait_until_queued(batcher: Batcher, count: int) -> None:
    """Lets the other tasks run until so many images are in the queue."""
    async with asyncio.timeout(60):
        while batcher.waiting != count:  # noqa: ASYNC110 - the batcher announces no newcomers
            await asyncio.sleep(0)
