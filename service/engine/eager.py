"""Starts a coroutine at once, where it stands, and makes a task of it only where it has to wait for something.

A task for each small batch that is computed on the event loop costs as much as handing its rows back.
"""

import asyncio
import types
from collections.abc import Coroutine, Generator
from typing import Any


def start_now(work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None] | None:
    """The task that goes on with it; None where it is done already. What was cancelled at once is done too."""
    try:
        awaited = work.send(None)
    except (StopIteration, asyncio.CancelledError):
        return None
    return asyncio.get_running_loop().create_task(_go_on(work, awaited), name=name)


async def _go_on(work: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _rest(work, awaited)


@types.coroutine
def _rest(work: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Hands on what the coroutine waits for, and to it what comes of that."""
    while True:
        raised: BaseException | None = None
        came: Any = None
        try:
            came = yield awaited
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the coroutine's
            raised = error
        try:
            awaited = work.send(came) if raised is None else work.throw(raised)
        except StopIteration:
            return
