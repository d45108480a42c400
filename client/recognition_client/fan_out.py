"""Batches asked for side by side: batches in, their answers out in the order of the images."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

from recognition_client.batches import Answer, Batch
from recognition_client.errors import BatchTooLarge, ImageRejected
from recognition_client.results import ImageError

Ask: TypeAlias = Callable[[list[bytes]], Awaitable[list[Answer | ImageError]]]


async def fan_out(waiting: Iterator[Batch], ask: Ask[Answer], *, concurrency: int) -> list[Answer | ImageError]:
    """Asks for `concurrency` batches at a time. The first that fails as a whole ends the others."""
    if concurrency < 1:
        raise ValueError(f"concurrency is 1 or more, and not {concurrency}")
    slots = asyncio.Semaphore(concurrency)
    tasks: list[asyncio.Task[list[Answer | ImageError]]] = []
    try:
        async with asyncio.TaskGroup() as group:
            await slots.acquire()
            while (batch := await asyncio.to_thread(next, waiting, None)) is not None:
                task = group.create_task(_whole_or_halved(batch, ask))
                task.add_done_callback(lambda _: slots.release())
                tasks.append(task)
                await slots.acquire()
    except* Exception as failures:  # noqa: BLE001 - whatever it is, it is raised again, out of its group
        failure = failures.exceptions[0]
    else:
        return [outcome for task in tasks for outcome in task.result()]
    raise failure


async def _whole_or_halved(batch: Batch, ask: Ask[Answer]) -> list[Answer | ImageError]:
    """In one request, and in smaller ones where the server finds it too large."""
    if not batch.images:
        return batch.merge([])
    try:
        return batch.merge(await ask(batch.images))
    except (BatchTooLarge, ImageRejected) as error:
        if len(batch.images) == 1:
            return batch.merge([ImageError.from_details(error.details)])
        first, second = batch.halves()
        return await _whole_or_halved(first, ask) + await _whole_or_halved(second, ask)
