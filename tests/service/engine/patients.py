"""A batcher over a thread that computes one batch after each leave, and counts costs for quick."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import numpy as np

from service.engine.batcher import Batcher, BatchPolicy, BatchReport, Tensor
from service.engine.device_guard import DeviceGuard
from service.engine.session import Outputs

QUICK = {1: 0.0010, 2: 0.0018, 4: 0.0030}
"""Four together are the most that is allowed, and quick."""
SECONDS = 60.0


class Session:
    """Computes in threads, one batch after each `let`; the colour 99 breaks it."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self._turns = threading.Semaphore(0)

    def let(self, batches: int) -> None:
        self._turns.release(batches)

    def run(self, tensors: Tensor) -> Outputs:
        values = tensors[:, 0, 0, 0].astype(np.float32)
        self.batches.append([int(value) for value in values])
        assert self._turns.acquire(timeout=SECONDS)
        if 99 in values:
            raise RuntimeError("broken")
        return Outputs(logits=np.stack([values, -values], axis=1), embeddings=values[:, np.newaxis])

    async def until(self, batches: int) -> None:
        """So many were begun."""
        async with asyncio.timeout(SECONDS):
            while len(self.batches) < batches:  # noqa: ASYNC110 - a thread announces nothing to the loop
                await asyncio.sleep(0.001)


@asynccontextmanager
async def started(
    session: Session,
    reports: list[BatchReport],
    *,
    run: Callable[[Tensor], Outputs] | None = None,
    guard: DeviceGuard | None = None,
) -> AsyncIterator[Batcher]:
    """A batcher over a thread; at the end it must be able to drain."""
    compute, guard = run or session.run, guard or DeviceGuard()
    with ThreadPoolExecutor(1) as threads:

        async def in_thread(tensors: Tensor) -> Outputs:
            return await asyncio.get_running_loop().run_in_executor(threads, compute, tensors)

        async def job_in_thread(job: Any) -> Any:
            return await asyncio.get_running_loop().run_in_executor(threads, job.compute, compute)

        policy = BatchPolicy(max_batch_size=4)
        batcher = Batcher(
            partial(guard.run, in_thread),
            policy,
            run_job=partial(guard.whole, job_in_thread),
            observe=reports.append,
        )
        batcher.expect(QUICK)
        await batcher.start()
        async with asyncio.timeout(SECONDS):
            yield batcher
            await batcher.drain()
