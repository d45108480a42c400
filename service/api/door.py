"""Whether calls are taken: open while the service lives, closed before it ends, and empty when the last call has left.

gRPC's own stop drops calls that arrive while it closes the port, with a code that clients do not retry. So the door is
closed first, with an answer that they do retry, and the port only when nobody comes any more.
"""

import asyncio
import time

from service.errors import ShuttingDown

QUIET_SECONDS = 0.1
QUIET_TURNS = 10
"""Looks at the door with nobody there: where the process itself gets no time, silence by the clock means nothing, and
gRPC may hold calls that it could not hand over yet.
"""


class Door:
    """Counts who is inside. Lives on one event loop."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        """Set when no new call is taken; long calls come to an end then."""
        self._inside = 0
        self._last_step = time.monotonic()

    @property
    def inside(self) -> int:
        """Calls that were taken and have not left."""
        return self._inside

    def enter(self) -> None:
        """A call comes in; `leave` must follow. Raises ShuttingDown when the door is closed."""
        self._last_step = time.monotonic()
        if self.closing.is_set():
            raise ShuttingDown("The server is shutting down; send the call to another one.")
        self._inside += 1

    def leave(self) -> None:
        """A call that came in is done; its caller may have the next one on the way."""
        self._last_step = time.monotonic()
        self._inside -= 1

    async def close(self, *, within_seconds: float) -> None:
        """Takes no new call; returns when nobody is inside or has come or gone for a moment, or when the time is up."""
        self.closing.set()
        end = time.monotonic() + within_seconds
        turns = QUIET_TURNS if time.monotonic() - self._last_step >= 10 * QUIET_SECONDS else 0
        while (now := time.monotonic()) < end:
            if self._inside == 0 and turns >= QUIET_TURNS and now - self._last_step >= QUIET_SECONDS:
                return
            seen = self._last_step
            await asyncio.sleep(0.01)
            turns = turns + 1 if self._inside == 0 and self._last_step == seen else 0
