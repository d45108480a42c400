"""Who still uses a version (service/models/usage.py)."""

import asyncio

from service.models.usage import Usage


async def test_a_version_is_in_use_until_the_last_task_is_done() -> None:
    """However often a task looks it up, and however the task ends."""
    usage, go = Usage(), asyncio.Event()

    async def use() -> None:
        usage.hold()
        usage.hold()
        await go.wait()

    tasks = [asyncio.create_task(use()) for _ in range(3)]
    await asyncio.sleep(0)
    assert usage.users == 3
    quiet = asyncio.create_task(usage.quiet())
    tasks[0].cancel()
    await asyncio.wait({tasks[0]})
    assert not quiet.done()
    go.set()
    await asyncio.wait_for(quiet, 60)
    assert usage.users == 0


async def test_nobody_is_waited_for_where_nobody_uses_it() -> None:
    """From the beginning."""
    await asyncio.wait_for(Usage().quiet(), 60)
