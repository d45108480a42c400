"""Answers as they are ready: a stream of requests in, a stream of answers out, with no more at work than may be."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar

from service.errors import ShuttingDown

Request = TypeVar("Request")
Response = TypeVar("Response")


class _End:
    """Follows the last answer."""


END: Final = _End()


async def answers_as_ready(
    requests: AsyncIterator[Request],
    answer: Callable[[Request], Awaitable[Response]],
    *,
    limit: int,
    closing: asyncio.Event | None = None,
) -> AsyncIterator[Response]:
    """Works on up to `limit` requests at a time; a place is free again when its answer was taken, so both a slow model
    and a slow reader hold the sender back. What `answer` raises ends the stream.

    When `closing` is set no further request is read; those that were are answered, then ShuttingDown is raised.
    """
    places = asyncio.Semaphore(limit)
    ready: asyncio.Queue[Response | _End] = asyncio.Queue()

    async def work(request: Request) -> None:
        ready.put_nowait(await answer(request))

    async def read() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                async for request in requests if closing is None else _until(requests, closing):
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
        if closing is not None and closing.is_set():
            raise ShuttingDown("The server is shutting down; send what was not answered to another one.")
    finally:
        reader.cancel()
        await asyncio.wait({reader})
        if not reader.cancelled():
            reader.exception()  # was raised above, or nobody is there to hear it


async def _until(requests: AsyncIterator[Request], closing: asyncio.Event) -> AsyncIterator[Request]:
    """The requests that come before the event."""
    closed = asyncio.create_task(closing.wait())
    coming: asyncio.Task[Request] | None = None
    try:
        while not closed.done():
            coming = asyncio.create_task(_next(requests))
            await asyncio.wait({coming, closed}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                yield coming.result()
            except _Exhausted:
                return
    finally:
        closed.cancel()
        if coming is not None:
            coming.cancel()


class _Exhausted(Exception):
    """No more requests; StopAsyncIteration cannot leave a task."""


async def _next(requests: AsyncIterator[Request]) -> Request:
    try:
        return await anext(requests)
    except StopAsyncIteration:
        raise _Exhausted from None


async def _first_error_of(reader: asyncio.Task[None]) -> None:
    try:
        await reader
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
