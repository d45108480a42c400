"""The batcher: who travels together and when, and what is told of it."""

import asyncio
import time

import numpy as np
import pytest

from service.engine import batcher as batcher_module
from service.engine.batcher import BatchPolicy, BatchReport, Closed, Tensor
from service.engine.session import Outputs
from tests.service.engine.batchers import busy, started, submit_all, value_of
from tests.service.engine.fake_session import FakeSession, image, wait_until_queued


async def test_an_idle_session_is_used_at_once() -> None:
    """Nobody waits for company while nothing runs."""
    session, reports = FakeSession(), list[BatchReport]()
    async with started(session.run, observe=reports.append) as batcher:
        for value in (5, 6):
            assert value_of(await batcher.submit(image(value))) == value
    assert session.batches == [[5], [6]]
    assert [report.closed for report in reports] == [Closed.IDLE, Closed.IDLE]


async def test_the_next_batch_gathers_while_one_runs() -> None:
    """All that arrive in the meantime go together."""
    session = FakeSession()
    async with busy(session) as (batcher, first):
        others = submit_all(batcher, range(1, 6))
        await wait_until_queued(batcher, 5)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(first, *others)] == list(range(6))
    assert session.batches == [[0], [1, 2, 3, 4, 5]]


async def test_large_batches_are_laid_together_in_memory_that_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller and larger ones after each other, and none shows what the one before left there."""
    monkeypatch.setattr(batcher_module, "LARGEST_ON_LOOP_BYTES", 0)
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=4)) as (batcher, _):
        others = submit_all(batcher, range(1, 12))
        await wait_until_queued(batcher, 11)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*others)] == list(range(1, 12))
        assert [value_of(row) for row in await asyncio.gather(*submit_all(batcher, range(20, 23)))] == [20, 21, 22]
        assert 0 < len(batcher._memory) <= batcher_module.MOST_KEPT


async def test_a_batch_is_never_larger_than_allowed() -> None:
    """The rest goes with the next ones, and each batch says why it was cut."""
    session, reports = FakeSession(), list[BatchReport]()
    async with busy(session, BatchPolicy(max_batch_size=3), observe=reports.append) as (batcher, _):
        others = submit_all(batcher, range(1, 8))
        await wait_until_queued(batcher, 7)
        session.gate.set()
        await asyncio.gather(*others)
    assert session.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]
    assert [report.closed for report in reports] == [Closed.IDLE, Closed.FULL, Closed.FULL, Closed.IDLE]


async def test_a_full_batch_does_not_wait_for_the_delay() -> None:
    """An hour is allowed, and not used."""
    session, reports = FakeSession(), list[BatchReport]()
    policy = BatchPolicy(max_batch_size=3, max_delay_seconds=3600)
    async with started(session.run, policy, observe=reports.append) as batcher:
        rows = await asyncio.gather(*submit_all(batcher, range(1, 4)))
    assert [value_of(row) for row in rows] == [1, 2, 3]
    assert session.batches == [[1, 2, 3]]
    assert [report.closed for report in reports] == [Closed.FULL]


async def test_the_delay_runs_from_the_first_image_and_never_restarts() -> None:
    """Images that keep arriving do not hold back the first one beyond its delay."""
    session, reports = FakeSession(), list[BatchReport]()
    policy = BatchPolicy(max_delay_seconds=0.3)
    async with started(session.run, policy, observe=reports.append) as batcher:
        began = time.monotonic()
        tasks = submit_all(batcher, range(1, 2))
        while not session.started.is_set():  # a newcomer every 20 ms, so that a wait that restarts would never end
            tasks.append(asyncio.create_task(batcher.submit(image(len(tasks) + 1))))
            assert time.monotonic() - began < 30
            await asyncio.sleep(0.02)
        waited = time.monotonic() - began
        await asyncio.gather(*tasks)
    assert waited > 0.29
    assert len(session.batches[0]) > 1
    assert reports[0].closed is Closed.DELAY
    assert 0.29 < max(reports[0].queue_seconds) <= waited


async def test_lanes_compute_side_by_side() -> None:
    """What waits is spread over the free ones; none is begun beyond their number."""
    session = FakeSession()
    session.gate.clear()
    async with started(session.run, BatchPolicy(lanes=2)) as batcher:
        tasks = submit_all(batcher, range(1, 5))
        await session.wait_until_busy()
        late = asyncio.create_task(batcher.submit(image(5)))
        await wait_until_queued(batcher, 1)
        assert session.batches == [[1, 2], [3, 4]]
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks, late)] == [1, 2, 3, 4, 5]
    assert session.batches == [[1, 2], [3, 4], [5]]


async def test_a_model_without_embeddings_gives_none() -> None:
    """Rows carry what the graph has."""

    async def run(images: Tensor) -> Outputs:
        return Outputs(logits=np.zeros((len(images), 2), dtype=np.float32), embeddings=None)

    async with started(run) as batcher:
        assert (await batcher.submit(image(1))).embedding is None


@pytest.mark.parametrize("size", [1, 3, 7, 64])
async def test_answers_come_in_the_order_of_the_requests(size: int) -> None:
    """Each caller gets the row of its own image, and images are computed in the order of their arrival."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=size)) as (batcher, _):
        tasks = submit_all(batcher, range(1, 201))
        await wait_until_queued(batcher, 200)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == list(range(1, 201))
    assert [value for batch in session.batches for value in batch] == list(range(201))


async def test_the_observer_learns_what_happened() -> None:
    """Size, cause, each image's wait and the time of the session; the rows say the same."""
    session, reports = FakeSession(), list[BatchReport]()
    async with busy(session, BatchPolicy(max_batch_size=2), observe=reports.append) as (batcher, first):
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 3)
        await asyncio.sleep(0.3)
        session.gate.set()
        rows = await asyncio.gather(first, *tasks)
    assert [(report.size, report.closed) for report in reports] == [
        (1, Closed.IDLE),
        (2, Closed.FULL),
        (1, Closed.IDLE),
    ]
    assert [row.batch_size for row in rows] == [1, 2, 2, 1]
    assert [wait for report in reports for wait in report.queue_seconds] == [row.queue_seconds for row in rows]
    assert reports[0].queue_seconds[0] < 0.3 <= reports[0].inference_seconds
    assert all(row.queue_seconds >= 0.3 for row in rows[1:])
    assert [row.inference_seconds for row in rows] == [
        reports[0].inference_seconds,
        *[reports[1].inference_seconds] * 2,
        reports[2].inference_seconds,
    ]
