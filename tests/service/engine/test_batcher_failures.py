"""Failures in the batcher's work: nobody's trouble becomes a neighbour's, and the next batch works."""

import asyncio

import numpy as np
import pytest

from service.engine.batcher import BatchPolicy, BatchReport
from service.errors import InferenceFailed, ServiceError
from tests.service.engine.batchers import busy, started, submit_all, value_of
from tests.service.engine.fake_session import FakeSession, image, wait_until_queued


@pytest.mark.parametrize("error", [RuntimeError("CUDA failure 700"), MemoryError(), asyncio.CancelledError()])
async def test_a_failing_session_fails_only_its_batch(error: BaseException) -> None:
    """Each image of it gets the failure without the runtime's words, and the next batch works."""
    session = FakeSession()
    session.failures.append(error)
    async with started(session.run, BatchPolicy(max_batch_size=3, max_delay_seconds=3600)) as batcher:
        results = await asyncio.gather(*submit_all(batcher, range(1, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 3
        assert "CUDA" not in str(results[0])
        assert isinstance(results[0], InferenceFailed)
        assert results[0].__cause__ is error
        rows = await asyncio.gather(*submit_all(batcher, range(4, 7)))
        assert [value_of(row) for row in rows] == [4, 5, 6]


@pytest.mark.parametrize(("logits", "embeddings"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
async def test_a_wrong_number_of_answers_is_an_error(logits: int, embeddings: int) -> None:
    """No row is handed out by guessing, and the next batch works."""
    session = FakeSession()
    session.missing_logits, session.missing_embeddings = logits, embeddings
    async with started(session.run, BatchPolicy(max_batch_size=3, max_delay_seconds=3600)) as batcher:
        results = await asyncio.gather(*submit_all(batcher, range(1, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 3
        session.missing_logits = session.missing_embeddings = 0
        rows = await asyncio.gather(*submit_all(batcher, range(4, 7)))
        assert [value_of(row) for row in rows] == [4, 5, 6]


async def test_images_of_different_sizes_fail_as_one_batch() -> None:
    """The batcher cannot know better; it must not stop over it."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        odd = asyncio.create_task(batcher.submit(np.zeros((9, 9, 1), dtype=np.uint8)))
        even = asyncio.create_task(batcher.submit(image(1)))
        await wait_until_queued(batcher, 2)
        session.gate.set()
        results = await asyncio.gather(odd, even, return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 2
        assert value_of(await batcher.submit(image(2))) == 2


async def test_a_request_of_several_batches_fails_as_a_whole() -> None:
    """What one of them raises is the answer, and those that have not begun are not computed for nobody."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=2)) as (batcher, first):
        many = asyncio.create_task(batcher.submit_many(np.stack([image(value) for value in range(1, 7)])))
        await wait_until_queued(batcher, 6)
        session.failures.extend([RuntimeError("broken")] * 2)
        session.gate.set()
        with pytest.raises(InferenceFailed):
            await first
        with pytest.raises(InferenceFailed):
            await many
        assert value_of(await batcher.submit(image(7))) == 7
    assert session.batches[:2] == [[0], [1, 2]]
    assert [5, 6] not in session.batches


async def test_a_failed_batch_is_not_reported_as_done() -> None:
    """Its time says nothing of the cost of a batch."""
    session, reports = FakeSession(), list[BatchReport]()
    session.failures.append(RuntimeError("broken"))
    async with started(session.run, observe=reports.append) as batcher:
        with pytest.raises(ServiceError):
            await batcher.submit(image(1))
        await batcher.submit(image(2))
    assert [report.size for report in reports] == [1]


async def test_an_observer_that_raises_does_not_stop_the_worker() -> None:
    """Who only watches must not stop the work."""

    def observe(report: BatchReport) -> None:
        raise ValueError(report.size)

    async with started(FakeSession().run, observe=observe) as batcher:
        for value in range(1, 4):
            assert value_of(await batcher.submit(image(value))) == value
