"""The event loop that the service runs on: uvloop where it is installed, on which calls cost less, or asyncio's own."""

import asyncio
import gc
import importlib.util
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any


class EventLoop(StrEnum):
    """What the settings may ask for."""

    AUTO = "auto"
    """uvloop where it is installed."""
    UVLOOP = "uvloop"
    ASYNCIO = "asyncio"


class EventLoopUnavailable(Exception):
    """uvloop was asked for and is not installed; the text says what to do."""


NEW_OBJECTS = 20_000
"""How many are looked through at a time for rings that nobody needs. A request of 256 images makes ten thousand, gone
with its answer; to look at every 700th, as Python does by default, took 8 % of the loop.
"""


def run(main: Coroutine[Any, Any, None], choice: EventLoop) -> None:
    """Runs the coroutine to its end. Raises EventLoopUnavailable before it begins."""
    installed = importlib.util.find_spec("uvloop") is not None
    if choice is EventLoop.UVLOOP and not installed:
        main.close()
        raise EventLoopUnavailable(
            "event_loop is uvloop, which is not installed: pip install uvloop, or start with --event-loop auto."
        )
    gc.set_threshold(NEW_OBJECTS)
    if choice is EventLoop.ASYNCIO or not installed:
        asyncio.run(main)
        return
    import uvloop

    uvloop.run(main)
