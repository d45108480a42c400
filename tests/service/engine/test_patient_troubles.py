"""Images that may wait (service/engine/patient.py): sessions that fail, callers who go, times that end."""

import asyncio
import time

from service.engine.batcher import BatchReport, Row, Tensor
from service.engine.device_guard import DeviceGuard
from service.engine.priority import Priority
from service.engine.session import Outputs
from service.errors import DeadlineUnreachable, InferenceFailed
from tests.service.engine.batchers import images, one_by_one, value_of
from tests.service.engine.fake_session import image
from tests.service.engine.patients import Session, started


async def test_a_batch_that_fails_fails_alone() -> None:
    """Neither those before it in its hand-over nor those after it."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        session.let(100)
        rows = one_by_one(await batcher.submit_each(images(range(91, 107)), priority=Priority.LOW))
        assert value_of(await batcher.submit(image(7))) == 7
    assert [value_of(row) if isinstance(row, Row) else type(row) for row in rows] == [
        *range(91, 99),
        *[InferenceFailed] * 4,
        *range(103, 107),
    ]
    assert [report.size for report in reports] == [4, 4, 4, 1]


async def test_a_device_without_memory_is_given_halves_at_the_lowest_priority_too() -> None:
    """As at the others; whoever was handed over with them hears nothing of it."""
    guard, sizes = DeviceGuard(), list[int]()
    session, reports = Session(), list[BatchReport]()
    session.let(100)

    def run(tensors: Tensor) -> Outputs:
        sizes.append(len(tensors))
        if 6 in tensors[:, 0, 0, 0] and len(tensors) > 2:
            raise MemoryError("std::bad_alloc")
        return session.run(tensors)

    async with started(session, reports, run=run, guard=guard) as batcher:
        rows = one_by_one(await batcher.submit_each(images(range(1, 17)), priority=Priority.LOW))
    assert [value_of(row) for row in rows] == list(range(1, 17))  # type: ignore[arg-type] # none was refused
    assert sizes == [4, 4, 4, 4, 2, 2, 4, 4]
    assert not guard.lost.is_set()


async def test_nothing_is_begun_after_its_deadline() -> None:
    """Whatever was handed over with it, or ahead."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        deadline = time.monotonic() + 0.3
        patient = asyncio.create_task(
            batcher.submit_each(images(range(1, 33)), deadline=deadline, priority=Priority.LOW)
        )
        await session.until(1)
        assert batcher.waiting == 0  # all were handed over
        await asyncio.sleep(deadline + 0.01 - time.monotonic())
        session.let(100)
        rows = one_by_one(await patient)
    assert session.batches == [[1, 2, 3, 4]]
    assert [type(row) for row in rows] == [Row] * 4 + [DeadlineUnreachable] * 28


async def test_nothing_is_begun_for_who_has_gone() -> None:
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        patient = asyncio.create_task(batcher.submit_each(images(range(1, 33)), priority=Priority.LOW))
        await session.until(1)
        patient.cancel()
        await asyncio.wait([patient])
        session.let(100)
    assert session.batches == [[1, 2, 3, 4]]


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
