"""A batch asked for in one request, and in smaller ones where the server finds it too large; blocking and asyncio."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from recognition_client.batches import Answer, Batch
from recognition_client.errors import BatchTooLarge, ImageRejected
from recognition_client.results import ImageError

Ask: TypeAlias = Callable[[list[bytes]], list[Answer | ImageError]]
AsyncAsk: TypeAlias = Callable[[list[bytes]], Awaitable[list[Answer | ImageError]]]


def whole_or_halved(batch: Batch, ask: Ask[Answer]) -> list[Answer | ImageError]:
    if not batch.images:
        return batch.merge([])
    try:
        return batch.merge(ask(batch.images))
    except (BatchTooLarge, ImageRejected) as error:
        if len(batch.images) == 1:
            return batch.merge([ImageError.from_details(error.details)])
        first, second = batch.halves()
        return whole_or_halved(first, ask) + whole_or_halved(second, ask)


async def whole_or_halved_async(batch: Batch, ask: AsyncAsk[Answer]) -> list[Answer | ImageError]:
    if not batch.images:
        return batch.merge([])
    try:
        return batch.merge(await ask(batch.images))
    except (BatchTooLarge, ImageRejected) as error:
        if len(batch.images) == 1:
            return batch.merge([ImageError.from_details(error.details)])
        first, second = batch.halves()
        return await whole_or_halved_async(first, ask) + await whole_or_halved_async(second, ask)
