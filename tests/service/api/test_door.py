"""The door: who comes in, who is refused, and when it is empty."""

import asyncio
import time

import pytest

from service.api import door as door_module
from service.api.door import Door
from service.errors import ShuttingDown

QUIET_SECONDS = 0.4
"""Longer than in the service, so that a machine which stands still for a moment is not taken for silence."""


@pytest.fixture(autouse=True)
def _longer_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "QUIET_SECONDS", QUIET_SECONDS)


def test_an_open_door_counts_who_is_inside() -> None:
    """In and out."""
    door = Door()
    for _ in range(3):
        door.enter()
    door.leave()
    assert door.inside == 2


async def test_a_closed_door_refuses() -> None:
    """With an error that clients take elsewhere; nobody more is inside."""
    door = Door()
    await door.close(within_seconds=0)
    with pytest.raises(ShuttingDown, match="another"):
        door.enter()
    assert door.inside == 0


async def test_closing_waits_for_the_last_to_leave() -> None:
    """However long that takes; and then for a moment of quiet, as its caller may have the next call on the way."""
    door = Door()
    door.enter()
    closing = asyncio.create_task(door.close(within_seconds=60))
    await asyncio.wait({closing}, timeout=1.5 * QUIET_SECONDS)
    assert not closing.done()
    left = time.monotonic()
    door.leave()
    await asyncio.wait_for(closing, 60)
    assert time.monotonic() - left >= QUIET_SECONDS


async def test_closing_waits_until_nobody_knocks() -> None:
    """Calls that were on their way when the door closed get their answer, so the port stays open for them."""
    door = Door()
    closing = asyncio.create_task(door.close(within_seconds=60))
    knocked = 0.0
    for _ in range(5):
        await asyncio.wait({closing}, timeout=QUIET_SECONDS / 4)
        knocked = time.monotonic()
        with pytest.raises(ShuttingDown):
            door.enter()
    await asyncio.wait_for(closing, 60)
    assert time.monotonic() - knocked >= QUIET_SECONDS


async def test_silence_is_looked_for_and_not_only_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that got no time for a while looks again before it believes that nobody is there."""
    monkeypatch.setattr(door_module, "QUIET_SECONDS", 0.05)
    door = Door()
    door.enter()
    door.leave()
    closing = asyncio.create_task(door.close(within_seconds=60))
    for _ in range(3):
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251 - the machine gives this loop no time
        with pytest.raises(ShuttingDown):
            door.enter()
    assert not closing.done()
    await asyncio.wait_for(closing, 60)


async def test_the_wait_has_an_end() -> None:
    """A call that never leaves does not keep the server."""
    door = Door()
    door.enter()
    began = time.monotonic()
    await asyncio.wait_for(door.close(within_seconds=0.05), 60)
    assert time.monotonic() - began >= 0.05
    assert door.inside == 1
