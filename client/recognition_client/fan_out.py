"""Batches asked for side by side: batches in, their answers out in the order of the images."""

import asyncio
from collections.abc import Iterator

from recognition_client.batches import Answer, Batch
from recognition_client.halving import AsyncAsk, whole_or_halved_async
from recognition_client.results import ImageError


async def fan_out(waiting: Iterator[Batch], ask: AsyncAsk[Answer], *, concurrency: int) -> list[Answer | ImageError]:
    """Asks for `concurrency` batches at a time. The first that fails as a whole ends the others."""
    if concurrency < 1:
        raise ValueError(f"concurrency is 1 or more, and not {concurrency}")
    slots = asyncio.Semaphore(concurrency)
    tasks: list[asyncio.Task[list[Answer | ImageError]]] = []
    try:
        async with asyncio.TaskGroup() as group:
            await slots.acquire()
            while (batch := await asyncio.to_thread(next, waiting, None)) is not None:
                task = group.create_task(whole_or_halved_async(batch, ask))
                task.add_done_callback(lambda _: slots.release())
                tasks.append(task)
                await slots.acquire()
    except* Exception as failures:  # noqa: BLE001 - whatever it is, it is raised again, out of its group
        failure = failures.exceptions[0]
    else:
        return [outcome for task in tasks for outcome in task.result()]
    raise failure
