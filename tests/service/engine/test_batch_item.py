"""Items of a batch queue: who is still to be answered."""

import asyncio

from service.engine.batch_item import Item, Part, Timed
from service.engine.priority import Priority


async def test_whoever_waits_no_longer_is_gone() -> None:
    """Cancelled, or answered."""
    future: asyncio.Future[Timed[int]] = asyncio.get_running_loop().create_future()
    part = Part(payload=1, rows=1, size_bytes=1)
    item = Item(part=part, future=future, arrival=0.0, deadline=None, priority=Priority.NORMAL)
    assert not item.gone
    future.cancel()
    assert item.gone
