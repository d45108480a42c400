"""Answers as they are ready: a stream of requests in, a stream of answers out, with no more at work than may be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

Request = TypeVar("Request")
Response = TypeVar("Response")


class _End:
    """Follows the last answer."""


END: Final = _End()


async def answers_as_ready(
    requests: AsyncIterator[Request], answer: Callable[[Request], Awaitable[Response]], *, limit: int
) -> AsyncIterator[Response]:
    """Works on up to `limit` requests at a time; a place is free again when its answer was taken, so both a slow model
    and a slow reader hold the sender back. What `answer` raises ends the stream.
    """
    places = asyncio.Semaphore(limit)
    ready: asyncio.Queue[Response | _End] = asyncio.Queue()

    async def work(request: Request) -> None:
        ready.put_nowait(await answer(request))

    async def read() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                async for request in requests:
                    await places.acquire()
                    group.create_task(work(request))
        finally:
            ready.put_nowait(END)

    reader = asyncio.create_task(read())
    try:
        while not isinstance(item := await ready.get(), _End):
            yield item
            places.release()
        await _first_error_of(reader)
    finally:
        reader.cancel()


async def _first_error_of(reader: asyncio.Task[None]) -> None:
    try:
        await reader
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
