"""Callers of the batcher: whoever goes away, or asks for several images, does not touch the others."""

import asyncio

import numpy as np
import pytest

from service.engine.batcher import BatchPolicy, BatchReport, Row
from service.errors import InferenceFailed, QueueFull
from tests.service.engine.batchers import busy, images, one_by_one, started, submit_all, value_of
from tests.service.engine.fake_session import FakeSession, image, wait_until_queued


async def of_the_others(session: FakeSession, tasks: list[asyncio.Task[Row]], gone: int) -> list[int]:
    """One goes away before the session goes on; what the others have."""
    tasks[gone].cancel()
    await asyncio.wait([tasks[gone]])
    session.gate.set()
    left = [task for task in tasks if task is not tasks[gone]]
    return [value_of(row) for row in await asyncio.gather(*left)]


@pytest.mark.parametrize("gone", range(4))
async def test_a_cancelled_caller_in_the_queue_does_not_touch_its_mates(gone: int) -> None:
    """Whoever goes away while waiting is not computed; all others are answered."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        tasks = submit_all(batcher, range(1, 5))
        await wait_until_queued(batcher, 4)
        values = await of_the_others(session, tasks, gone)
    assert values == [value for value in range(1, 5) if value != gone + 1]
    assert session.batches == [[0], values]


@pytest.mark.parametrize("gone", range(4))
async def test_a_caller_cancelled_in_a_running_batch_does_not_touch_its_mates(gone: int) -> None:
    """The batch runs to its end, the others get their own rows, and the next batch works."""
    session = FakeSession()
    session.gate.clear()
    async with started(session.run, BatchPolicy(max_batch_size=4, max_delay_seconds=3600)) as batcher:
        tasks = submit_all(batcher, range(1, 5))
        await session.wait_until_busy()
        values = await of_the_others(session, tasks, gone)
        assert values == [value for value in range(1, 5) if value != gone + 1]
        again = await asyncio.gather(*submit_all(batcher, range(5, 9)))
        assert [value_of(row) for row in again] == [5, 6, 7, 8]


async def test_a_batch_whose_callers_are_all_gone_is_not_run() -> None:
    """No work for nobody, and the worker goes on."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        session.gate.set()
        assert value_of(await batcher.submit(image(9))) == 9
    assert session.batches == [[0], [9]]


async def test_several_images_are_one_request() -> None:
    """Their rows come back in their order, in as many batches as they need, beside those of others."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=3)) as (batcher, _):
        many = asyncio.create_task(batcher.submit_many(np.stack([image(value) for value in range(1, 6)])))
        one = asyncio.create_task(batcher.submit(image(9)))
        await wait_until_queued(batcher, 6)
        session.gate.set()
        rows = await many
        assert value_of(await one) == 9
    assert rows.logits[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert rows.embeddings is not None
    assert rows.embeddings[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert session.batches == [[0], [1, 2, 3], [4, 5, 9]]


async def test_images_of_one_caller_go_in_pieces_and_are_answered_one_by_one() -> None:
    """A piece is a batch at most; what fails is the piece."""
    session, reports = FakeSession(), list[BatchReport]()
    async with started(session.run, BatchPolicy(max_batch_size=3), observe=reports.append) as batcher:
        session.failures.append(RuntimeError("broken"))
        rows = one_by_one(await batcher.submit_each(images(range(1, 6))))
        assert [type(row) for row in rows[:3]] == [InferenceFailed] * 3
        assert [value_of(row) for row in rows[3:] if isinstance(row, Row)] == [4, 5]
        assert await batcher.submit_each(images(range(0))) == []
    assert session.batches == [[1, 2, 3], [4, 5]]
    assert [(report.size, len(report.callers)) for report in reports] == [(2, 1)]


async def test_a_piece_that_does_not_fit_is_taken_apart() -> None:
    """As many of its images wait as there is room for."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=4, max_queue_images=3)) as (batcher, _):
        other = asyncio.create_task(batcher.submit(image(9)))
        await wait_until_queued(batcher, 1)
        many = asyncio.create_task(batcher.submit_each(images(range(1, 5))))
        await wait_until_queued(batcher, 3)
        session.gate.set()
        assert value_of(await other) == 9
        rows = one_by_one(await many)
    assert [value_of(row) for row in rows if isinstance(row, Row)] == [1, 2]
    assert [type(row) for row in rows[2:]] == [QueueFull] * 2


async def test_on_several_lanes_each_image_goes_alone() -> None:
    """So that one caller's images are spread over them."""
    session = FakeSession()
    session.gate.clear()
    async with started(session.run, BatchPolicy(lanes=2)) as batcher:
        many = asyncio.create_task(batcher.submit_each(images(range(1, 5))))
        await session.wait_until_busy()
        assert session.batches == [[1, 2], [3, 4]]
        session.gate.set()
        assert [value_of(row) for row in one_by_one(await many) if isinstance(row, Row)] == [1, 2, 3, 4]
