"""Who is refused by the batcher: a deadline that cannot be kept, a queue that is full."""

import asyncio
import time

import pytest

from service.engine.batcher import BatchPolicy, BatchReport, Closed
from service.errors import DeadlineUnreachable, QueueFull
from tests.service.engine.batchers import busy, started, submit_all, value_of
from tests.service.engine.fake_session import FakeSession, image, wait_until_queued


async def test_an_image_whose_deadline_passed_in_the_queue_is_never_run() -> None:
    """It is refused when the batch is cut; its mates are computed without it."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        deadline = time.monotonic() + 0.5  # both must have joined the queue by then
        late = asyncio.create_task(batcher.submit(image(1), deadline=deadline))
        patient = asyncio.create_task(batcher.submit(image(2), deadline=deadline + 60))
        await wait_until_queued(batcher, 2)
        await asyncio.sleep(deadline - time.monotonic() + 0.01)  # until it has passed
        session.gate.set()
        with pytest.raises(DeadlineUnreachable):
            await late
        assert value_of(await patient) == 2
    assert session.batches == [[0], [2]]


async def test_a_deadline_in_the_past_is_refused_at_once() -> None:
    """Idle or not, nothing is computed for it."""
    session = FakeSession()
    async with started(session.run) as batcher:
        with pytest.raises(DeadlineUnreachable):
            await batcher.submit(image(1), deadline=time.monotonic() - 0.001)
        assert batcher.waiting == 0
    assert session.batches == []


async def test_a_deadline_that_the_waiting_work_will_miss_is_refused_at_once() -> None:
    """The cost of a batch is learned; who cannot be answered in time does not even join the queue."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=1)) as (batcher, first):
        await asyncio.sleep(0.05)  # a batch takes at least so long: this is what is learned
        session.gate.set()
        await first
        session.gate.clear()
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 2)  # one more is running
        with pytest.raises(DeadlineUnreachable):
            await batcher.submit(image(9), deadline=time.monotonic() + 0.1)
        enough = asyncio.create_task(batcher.submit(image(4), deadline=time.monotonic() + 60))
        await wait_until_queued(batcher, 3)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks, enough)] == [1, 2, 3, 4]
    assert session.batches == [[0], [1], [4], [2], [3]]  # who has a deadline goes before those who have none


async def test_one_slow_batch_does_not_lock_out_short_deadlines_for_ever() -> None:
    """An idle session is tried whatever the last batch cost, for only new batches mend the estimate."""
    session = FakeSession()
    async with busy(session) as (batcher, first):
        await asyncio.sleep(0.8)
        session.gate.set()
        await first
        assert value_of(await batcher.submit(image(7), deadline=time.monotonic() + 0.75)) == 7


async def test_a_delay_does_not_outlast_a_deadline() -> None:
    """Whoever waits for company on a free session goes while there is still time."""
    session, reports = FakeSession(), list[BatchReport]()
    policy = BatchPolicy(max_delay_seconds=3600)
    async with started(session.run, policy, observe=reports.append) as batcher:
        assert value_of(await batcher.submit(image(1), deadline=time.monotonic() + 2.0)) == 1
    assert [report.closed for report in reports] == [Closed.DEADLINE]


async def test_a_full_queue_refuses_at_once() -> None:
    """Without waiting, with the time after which to come back; those who wait already are answered."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_queue_images=3)) as (batcher, _):
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 3)
        with pytest.raises(QueueFull) as refusal:
            await batcher.submit(image(9))
        assert refusal.value.retry_seconds >= 0.05
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == [1, 2, 3]
        assert value_of(await batcher.submit(image(4))) == 4
    assert session.batches == [[0], [1, 2, 3], [4]]


async def test_a_queue_is_bounded_in_bytes() -> None:
    """An image has six of them here."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_queue_bytes=15)) as (batcher, _):
        tasks = submit_all(batcher, range(1, 3))
        await wait_until_queued(batcher, 2)
        with pytest.raises(QueueFull, match="12 bytes"):
            await batcher.submit(image(9))
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == [1, 2]
