"""The batcher's drain: who was accepted is answered, who comes later is refused."""

import asyncio

import pytest

from service.engine.batcher import BatchPolicy
from service.errors import ShuttingDown
from tests.service.engine.batchers import busy, started, submit_all, value_of
from tests.service.engine.fake_session import FakeSession, image, wait_until_queued


async def test_a_drain_answers_all_that_was_accepted_then_refuses() -> None:
    """Newcomers are refused from the first moment, and the drain ends only after the last answer."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=2)) as (batcher, first):
        tasks = [first, *submit_all(batcher, range(1, 6))]
        await wait_until_queued(batcher, 5)
        drain = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await batcher.submit(image(9))
        assert not drain.done()
        session.gate.set()
        await drain
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == list(range(6))
        with pytest.raises(ShuttingDown):
            await batcher.submit(image(9))
    assert session.batches == [[0], [1, 2], [3, 4], [5]]


async def test_a_drain_does_not_wait_for_company() -> None:
    """Whoever waits for the delay is computed at once when the server goes."""
    session = FakeSession()
    async with started(session.run, BatchPolicy(max_delay_seconds=3600)) as batcher:
        tasks = submit_all(batcher, range(1, 3))
        await wait_until_queued(batcher, 2)
        await batcher.drain()
        assert [value_of(task.result()) for task in tasks] == [1, 2]


async def test_an_idle_batcher_drains_at_once_and_twice() -> None:
    """There is nothing to wait for."""
    async with started(FakeSession().run) as batcher:
        await batcher.drain()
        await batcher.drain()
