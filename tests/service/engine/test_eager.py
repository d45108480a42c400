"""Work that is begun where it stands (service/engine/eager.py)."""

import asyncio

import pytest

from service.engine.eager import start_now


async def test_work_that_waits_for_nothing_is_done_at_once() -> None:
    """And needs no task."""
    done: list[int] = []

    async def work() -> None:
        done.append(1)

    assert start_now(work(), name="work") is None
    assert done == [1]


async def test_work_that_waits_goes_on_as_a_task() -> None:
    """With what it waited for, as often as it waits, turns of the loop included."""
    first, second, seen = asyncio.Future[int](), asyncio.Future[int](), list[int]()

    async def work() -> None:
        seen.append(0)
        seen.append(await first)
        await asyncio.sleep(0)
        seen.append(await second)

    task = start_now(work(), name="work")
    assert task is not None
    assert (seen, task.get_name()) == ([0], "work")
    first.set_result(1)
    await asyncio.sleep(0.01)
    assert seen == [0, 1]
    second.set_result(2)
    await task
    assert seen == [0, 1, 2]


async def test_what_goes_wrong_reaches_the_work() -> None:
    """The error of what it waits for, and its own cancellation."""
    failing, endless, seen = asyncio.Future[int](), asyncio.Future[int](), list[str]()

    async def work() -> None:
        try:
            await failing
        except ValueError:
            seen.append("failed")
        try:
            await endless
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = start_now(work(), name="work")
    assert task is not None
    failing.set_exception(ValueError())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["failed", "cancelled"]


async def test_what_is_raised_after_a_wait_is_the_tasks() -> None:
    """Before one it is the caller's, but for a cancellation."""

    async def late() -> None:
        await asyncio.sleep(0)
        raise ValueError("late")

    async def early() -> None:
        raise ValueError("early")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    task = start_now(late(), name="late")
    assert task is not None
    with pytest.raises(ValueError, match="late"):
        await task
    with pytest.raises(ValueError, match="early"):
        start_now(early(), name="early")
    assert start_now(cancelled(), name="cancelled") is None
