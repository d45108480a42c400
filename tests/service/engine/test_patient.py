"""Images that may wait (service/engine/patient.py): several batches in one hand-over, and who comes in between."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest

from service.engine.batcher import Batcher, BatchPolicy, BatchReport, Tensor
from service.engine.patient import Patient
from service.engine.priority import Priority
from service.engine.session import Outputs
from service.errors import InferenceFailed
from tests.service.engine.batchers import images, one_by_one, value_of
from tests.service.engine.fake_session import image, wait_until_queued

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
async def started(session: Session, reports: list[BatchReport], *, lanes: int = 1) -> AsyncIterator[Batcher]:
    """A batcher over threads; at the end it must be able to drain."""
    with ThreadPoolExecutor(lanes) as threads:

        async def run(tensors: Tensor) -> Outputs:
            return await asyncio.get_running_loop().run_in_executor(threads, session.run, tensors)

        async def run_job(job: Any) -> Any:
            return await asyncio.get_running_loop().run_in_executor(threads, job.compute, session.run)

        policy = BatchPolicy(max_batch_size=4, lanes=lanes)
        batcher = Batcher(run, policy, run_job=run_job, observe=reports.append)
        batcher.expect(QUICK)
        await batcher.start()
        async with asyncio.timeout(SECONDS):
            yield batcher
            await batcher.drain()


def test_batches_are_computed_until_somebody_comes() -> None:
    """Each of its parts; what is left over is not even begun."""
    session, asked = Session(), iter([True, True, False])
    session.let(3)
    parts = [images(range(at, at + 2)) for at in (1, 3, 5, 7)]
    done = Patient([parts[:2], parts[2:3], parts[3:]], goes_on=lambda: next(asked)).compute(session.run)
    assert session.batches == [[1, 2, 3, 4], [5, 6]]
    assert [batch.parts for batch, _ in done] == [2, 1]
    assert done[0][0].began_at + done[0][0].seconds <= done[1][0].began_at


def test_a_session_that_miscounts_is_found_out() -> None:
    """Or answers would be another image's."""
    with pytest.raises(InferenceFailed):
        Patient([[images(range(3))]], goes_on=lambda: True).compute(
            lambda tensors: Outputs(logits=np.zeros((len(tensors) - 1, 2), dtype=np.float32), embeddings=None)
        )


async def test_a_request_that_may_wait_is_handed_over_at_once_and_told_of_batch_by_batch() -> None:
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        session.let(4)
        pieces = await batcher.submit_each(images(range(1, 15)), priority=Priority.LOW)
    rows = one_by_one(pieces)
    assert [value_of(row) for row in rows] == list(range(1, 15))  # type: ignore[arg-type] # none was refused
    assert session.batches == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14]]
    assert [report.size for report in reports] == [4, 4, 4, 2]
    began = [report.computed_at for report in reports]
    assert began == sorted(began)


async def test_who_is_more_important_goes_before_what_has_not_begun() -> None:
    """The rest waits again, what was handed over ahead included, and nobody's answer is lost or another's."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        patient = asyncio.create_task(batcher.submit_each(images(range(1, 33)), priority=Priority.LOW))
        await session.until(1)
        assert batcher.waiting == 0  # sixteen with the thread, sixteen ahead
        urgent = asyncio.create_task(batcher.submit(image(50)))
        await wait_until_queued(batcher, 1)
        session.let(2)
        assert value_of(await urgent) == 50
        session.let(7)
        rows = one_by_one(await patient)
    assert [value_of(row) for row in rows] == list(range(1, 33))  # type: ignore[arg-type] # none was refused
    assert session.batches[:2] == [[1, 2, 3, 4], [50]]
    assert list(itertools.chain(*session.batches[2:])) == list(range(5, 33))
    assert [report.size for report in reports] == [4, 1, *[4] * 7]


async def test_what_was_handed_over_ahead_waits_until_its_thread_has_it() -> None:
    """That is told as waiting, and not as computing."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        first = asyncio.create_task(batcher.submit_each(images(range(1, 5)), priority=Priority.LOW))
        await session.until(1)
        ahead = asyncio.create_task(batcher.submit_each(images(range(5, 9)), priority=Priority.LOW))
        await asyncio.sleep(0.1)
        assert (batcher.waiting, session.batches) == (0, [[1, 2, 3, 4]])
        session.let(2)
        await asyncio.gather(first, ahead)
    assert reports[0].inference_seconds > 0.09
    assert reports[1].inference_seconds < min(reports[1].queue_seconds) > 0.09


async def test_a_session_that_fails_fails_those_who_were_handed_over_with_it() -> None:
    """And nobody after them."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        session.let(10)
        broken = await batcher.submit_each(images(range(96, 104)), priority=Priority.LOW)
        assert all(isinstance(row, InferenceFailed) for row in one_by_one(broken))
        assert value_of(await batcher.submit(image(7))) == 7


async def test_a_caller_who_goes_away_leaves_the_others_their_answers() -> None:
    """Between two batches of one hand-over."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        gone = asyncio.create_task(batcher.submit_each(images(range(1, 9)), priority=Priority.LOW))
        stays = asyncio.create_task(batcher.submit_each(images(range(9, 17)), priority=Priority.LOW))
        await session.until(1)
        gone.cancel()
        session.let(4)
        assert [value_of(row) for row in one_by_one(await stays)] == list(range(9, 17))  # type: ignore[arg-type]
    assert gone.cancelled()
