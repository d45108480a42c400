"""Batches that run, and which of them hang (service/engine/running.py)."""

import asyncio
import math

import pytest

from service.engine import running
from service.engine.batcher import Batcher, BatchPolicy
from service.engine.running import LEAST_SECONDS, TIMES_EXPECTED, UNMEASURED_SECONDS, RunningBatches
from tests.service.engine.fake_session import FakeSession, image


@pytest.mark.parametrize(
    ("expected", "limit"), [(0.001, LEAST_SECONDS), (10.0, 10 * TIMES_EXPECTED), (0.0, UNMEASURED_SECONDS)]
)
async def test_a_batch_hangs_when_it_takes_many_times_what_was_measured(expected: float, limit: float) -> None:
    """But never before a time that a busy machine may need."""
    batches = RunningBatches()
    task = asyncio.create_task(asyncio.sleep(0))
    batches.add(task, rows=4, began_at=lambda: 100.0)
    assert batches.hanging_seconds(lambda _: expected, 100.0 + limit) == 0.0
    assert batches.hanging_seconds(lambda _: expected, 101.0 + limit) == limit + 1
    batches.remove(task)
    assert batches.hanging_seconds(lambda _: expected, 101.0 + limit) == 0.0
    await task


async def test_what_the_session_does_not_have_yet_does_not_hang() -> None:
    """However long it takes to prepare it."""
    batches = RunningBatches()
    task = asyncio.create_task(asyncio.sleep(0))
    batches.add(task, rows=1, began_at=lambda: math.inf)
    assert batches.hanging_seconds(lambda _: 0.001, 1e9) == 0.0
    await task


async def test_a_queue_tells_of_a_session_that_never_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it does not."""
    monkeypatch.setattr(running, "UNMEASURED_SECONDS", 0.0)
    session = FakeSession()
    batcher = Batcher(session.run, BatchPolicy())
    await batcher.start()
    assert batcher.hanging_seconds == 0.0
    session.gate.clear()
    row = asyncio.create_task(batcher.submit(image(1)))
    await session.wait_until_busy()
    await asyncio.sleep(0.001)
    assert batcher.hanging_seconds > 0.0
    session.gate.set()
    await row
    await batcher.drain()
    assert batcher.hanging_seconds == 0.0
