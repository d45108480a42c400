"""How long one client has the event loop to itself: its frames are taken for a moment, then others have their turn."""

import asyncio
import time
from collections.abc import Callable

from service.http2.frames import Frame

TURN_SECONDS = 0.004
"""A read brings up to some ten thousand frames, or some dozens that take long; a frame is always taken whole."""


class Turns:
    """Of one connection, from which nothing is read while it waits for its turn or takes none of its answers."""

    def __init__(self, transport: asyncio.Transport, take: Callable[[Frame, float], None]) -> None:
        self._transport = transport
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._left: list[Frame] | None = None
        """That wait for the next turn, which comes also where there are none."""
        self._held = False

    def add(self, frames: list[Frame], now: float) -> None:
        """What was read: it is taken now, or when its turn comes."""
        if self._left is None:
            self._run(frames, now)
        else:
            self._left += frames

    def _run(self, frames: list[Frame], now: float) -> None:
        take, clock, until = self._take, time.monotonic, now + TURN_SECONDS
        for count, frame in enumerate(frames, 1):
            take(frame, now)
            if clock() > until:
                self._left = frames[count:]
                self._pause()
                self._loop.call_soon(self._go_on)
                return

    def _go_on(self) -> None:
        frames, self._left = self._left or [], None
        self._run(frames, time.monotonic())
        self._read_on()

    def hold(self, *, held: bool) -> None:
        """Whether nothing shall be read for another reason."""
        self._held = held
        if held:
            self._pause()
        else:
            self._read_on()

    def _pause(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def _read_on(self) -> None:
        if not self._held and self._left is None and not self._transport.is_closing():
            self._transport.resume_reading()
