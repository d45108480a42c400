"""Handlers that were cancelled and have not ended: they still count as calls."""

from typing import TYPE_CHECKING

from service.http2.stream import Stream

if TYPE_CHECKING:
    import asyncio


class Endings:
    """Of one connection."""

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def cancel(self, stream: Stream) -> None:
        """Its handler, if one runs."""
        task, at = stream.task, stream.number
        if task is not None and not task.done():
            self._tasks[at] = task
            task.add_done_callback(lambda _: self._tasks.pop(at, None))
            task.cancel()
