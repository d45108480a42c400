"""Items of a batch queue: who is still to be answered."""

import asyncio

import pytest

from service.engine.batch_item import Item, Part, Timed
from service.engine.priority import Priority


@pytest.mark.parametrize(("deadline", "due"), [(None, True), (5.0, True), (4.9, False)])
async def test_is_due_until_its_deadline(deadline: float | None, due: bool) -> None:
    """Up to the very moment; without a deadline always."""
    future: asyncio.Future[Timed[int]] = asyncio.get_running_loop().create_future()
    part = Part(payload=1, rows=1, size_bytes=1)
    item = Item(part=part, future=future, arrival=0.0, deadline=deadline, priority=Priority.NORMAL)
    assert item.due(5.0) is due
    future.cancel()
    assert not item.due(5.0)
