"""A stream of images on their way to the server: pairs of id and image in, requests out.

What cannot be read stays behind as an error with its id; what the caller's own iterator raises ends the stream and is
raised again where the answers are read, because gRPC would swallow it.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import TypeAlias

from recognition.v1 import recognition_pb2 as pb

from recognition_client.batches import Image, Outcome, entry_of
from recognition_client.requests import Question
from recognition_client.results import ImageError, outcome_of, served_model

Named: TypeAlias = tuple[str, Image]
Answered: TypeAlias = tuple[str, Outcome]


class StreamRequests:
    """Iterated once, by gRPC; the answering side asks what stayed behind."""

    def __init__(self, images: Iterable[Named] | AsyncIterable[Named], question: Question) -> None:
        self._images = images
        self._question = question
        self._unread: deque[Answered] = deque()
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[pb.ClassifyStreamRequest]:
        try:
            if isinstance(self._images, AsyncIterable):
                raise TypeError("images of the blocking client come from an ordinary iterable")
            for name, image in self._images:
                yield from self._request(name, entry_of(image))
        except Exception as error:  # noqa: BLE001 - kept for the caller
            self._error = error

    async def __aiter__(self) -> AsyncIterator[pb.ClassifyStreamRequest]:
        try:
            async for name, image in _each(self._images):
                for request in self._request(name, await asyncio.to_thread(entry_of, image)):
                    yield request
        except Exception as error:  # noqa: BLE001 - kept for the caller
            self._error = error

    def unread(self) -> Iterator[Answered]:
        """What could not be sent since the last time."""
        while self._unread:
            yield self._unread.popleft()

    def check(self) -> None:
        """Raises what ended the caller's iterator."""
        if self._error is not None:
            raise self._error

    def _request(self, name: str, entry: bytes | ImageError) -> Iterator[pb.ClassifyStreamRequest]:
        if isinstance(entry, ImageError):
            self._unread.append((name, entry))
        else:
            yield self._question.of_stream(name, entry)


def answered(response: pb.ClassifyStreamResponse) -> Answered:
    return response.id, outcome_of(response.result, served_model(response.model))


async def _each(images: Iterable[Named] | AsyncIterable[Named]) -> AsyncIterator[Named]:
    if isinstance(images, AsyncIterable):
        async for item in images:
            yield item
    else:
        for item in images:
            yield item
