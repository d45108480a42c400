"""Where images wait until a thread decodes them: how many there are, and how long the next one would wait.

They are about to join the queue before the session, so they count as waiting there. Whoever finds no room or no time
is told so before anything is spent on the image: else, where decoding is what is short, everybody would wait until
nobody's time is enough.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.engine.batcher import Batcher
from service.engine.priority import Priority

SMOOTHING = 0.1
"""Weight of the newest images in what one costs."""

Images = TypeVar("Images")
Result = TypeVar("Result")


class DecodeLine:
    """Before the queue of one model. Lives on one event loop."""

    def __init__(self, workers: ThreadPoolExecutor, batcher: Batcher, *, small_at_once: int = 1) -> None:
        """So many threads may have small files of one model at a time, where several come together."""
        self._workers = workers
        self._batcher = batcher
        self._small_at_once = small_at_once
        self._small_workers = ThreadPoolExecutor(small_at_once, thread_name_prefix="decode-small")
        self._closed = False
        self._waiting = Counter[Priority]()
        self._small = 0
        self._each_seconds = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether no image waits here or is decoded."""
        return not self._waiting.total()

    def close(self) -> None:
        """Lets the threads for small files end. Whoever comes all the same is decoded by the others."""
        self._closed = True
        self._small_workers.shutdown(wait=False)

    def note(self, seconds: float) -> None:
        """Takes note of what one image cost."""
        self._each_seconds += SMOOTHING * (seconds - self._each_seconds)

    def check_room(self, *, deadline: float | None, priority: Priority) -> None:
        """Raises QueueFull or DeadlineUnreachable for an image that comes now.

        The threads take whatever came first; it is before the session that a higher priority goes ahead.
        """
        workers = self._workers._max_workers  # noqa: SLF001 - as it was made
        turns = max(self._waiting.total() / workers, self._small / self._small_at_once)
        self._batcher.check_room(
            deadline=None if deadline is None else deadline - turns * self._each_seconds,
            priority=priority,
            coming=self._waiting,
        )

    async def run(
        self,
        prepare: Callable[[Images], Result],
        images: Images,
        count: int,
        *,
        priority: Priority,
        small: bool = False,
    ) -> Result:
        """What `prepare` gives for so many images, in a thread; whatever it raises is raised here."""
        self._waiting[priority] += count
        self._small += count if small else 0
        try:
            workers = self._small_workers if small and not self._closed else self._workers
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(workers, self._timed, prepare, images, max(1, count))
        finally:
            self._waiting[priority] -= count
            self._small -= count if small else 0

    def _timed(self, prepare: Callable[[Images], Result], images: Images, count: int) -> Result:
        began = time.monotonic()
        try:
            return prepare(images)
        finally:
            self.note((time.monotonic() - began) / count)
