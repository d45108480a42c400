"""Who still uses a version that was swapped out: it is released only after the last of them.

A version is in use from the moment it is looked up until the task that looked it up is done: one task answers one
call, or one image of a stream, whatever door it came through.
"""

import asyncio
from typing import Any


class Usage:
    """Counts the tasks that use one version. Lives on one event loop."""

    def __init__(self) -> None:
        self._users: set[asyncio.Task[Any]] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def users(self) -> int:
        return len(self._users)

    def hold(self) -> None:
        """The task that calls this uses the version until it is done."""
        task = asyncio.current_task()
        if task is None or task in self._users:
            return
        self._users.add(task)
        self._quiet.clear()
        task.add_done_callback(self._leave)

    async def quiet(self) -> None:
        """Returns when nobody uses the version; for one that is looked up no more."""
        await self._quiet.wait()

    def _leave(self, task: "asyncio.Task[Any]") -> None:
        self._users.discard(task)
        if not self._users:
            self._quiet.set()
