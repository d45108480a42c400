"""Batches asked for side by side: batches in, what was answered to each out, in their order."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from recognition_client.batches import Batch

Answered = TypeVar("Answered")


async def fan_out(
    waiting: Iterator[Batch], ask: Callable[[Batch], Coroutine[Any, Any, Answered]], *, concurrency: int
) -> list[Answered]:
    """Asks for `concurrency` batches at a time. The first that fails as a whole ends the others."""
    if concurrency < 1:
        raise ValueError(f"concurrency is 1 or more, and not {concurrency}")
    slots = asyncio.Semaphore(concurrency)
    tasks: list[asyncio.Task[Answered]] = []
    try:
        async with asyncio.TaskGroup() as group:
            await slots.acquire()
            while (batch := await asyncio.to_thread(next, waiting, None)) is not None:
                task = group.create_task(ask(batch))
                task.add_done_callback(lambda _: slots.release())
                tasks.append(task)
                await slots.acquire()
    except* Exception as failures:  # noqa: BLE001 - whatever it is, it is raised again, out of its group
        failure = failures.exceptions[0]
    else:
        return [task.result() for task in tasks]
    raise failure
