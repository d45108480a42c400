"""Streams of images, with both clients."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client import AsyncRecognitionClient, ImageError, InferenceFailed, RecognitionClient
from recognition_client.stream import Answered, Named

from tests.client.fake_service import FakeService, status


def told(answers: list[Answered]) -> dict[str, str]:
    """The best label or the reason for each id."""
    return {name: one.reason if isinstance(one, ImageError) else one.predictions[0].label for name, one in answers}


def named(tmp_path: Path) -> list[Named]:
    return [("1", b"a"), ("2", tmp_path / "missing.png"), ("3", b"bad"), ("4", b"b")]


EXPECTED = {"1": "a", "2": "FILE_UNREADABLE", "3": "IMAGE_UNREADABLE", "4": "b"}


def test_answers_carry_the_ids_of_their_images(client: RecognitionClient, service: FakeService, tmp_path: Path) -> None:
    """Each gets one, as they are ready; a file that cannot be read has its error too."""
    answers = list(client.classify_stream(named(tmp_path), model="m", top_k=1))
    assert told(answers) == EXPECTED
    assert [name for name, _ in answers if name != "2"] == ["3", "1", "4"]
    first = service.requests[0]
    assert isinstance(first, pb.ClassifyStreamRequest)
    assert (first.model.name, first.options.top_k) == ("m", 1)


async def test_the_asyncio_client_takes_both_kinds_of_iterables(
    aio_client: AsyncRecognitionClient, tmp_path: Path
) -> None:
    """Ordinary ones, and those that wait."""

    async def arriving() -> AsyncIterator[Named]:
        for pair in named(tmp_path):
            yield pair

    for images in (named(tmp_path), arriving()):
        assert told([answer async for answer in aio_client.classify_stream(images)]) == EXPECTED


def test_images_are_taken_as_they_are_needed(client: RecognitionClient) -> None:
    """An endless stream is answered from its beginning on, and ends when nobody reads any more."""

    def endless() -> Iterator[Named]:
        number = 0
        while True:
            number += 1
            yield str(number), b"x"

    answers = client.classify_stream(endless())
    assert {next(answers)[0], next(answers)[0]} == {"1", "2"}
    answers.close()  # type: ignore[attr-defined] # it is a generator


def broken() -> Iterator[Named]:
    yield "1", b"a"
    raise RuntimeError("the camera broke")


def test_what_the_callers_iterator_raises_is_raised(client: RecognitionClient) -> None:
    """After the answers to what had been sent."""
    answers = client.classify_stream(broken())
    assert next(answers)[0] == "1"
    with pytest.raises(RuntimeError, match="camera"):
        next(answers)


async def test_and_so_it_is_with_asyncio(aio_client: AsyncRecognitionClient) -> None:
    """Also what is no image at all."""
    with pytest.raises(RuntimeError, match="camera"):
        [answer async for answer in aio_client.classify_stream(broken())]
    with pytest.raises(TypeError, match="an image is bytes or a path"):
        [answer async for answer in aio_client.classify_stream([("1", 7)])]  # type: ignore[list-item] # on purpose


async def test_a_stream_that_fails_raises_what_the_server_said(
    client: RecognitionClient, aio_client: AsyncRecognitionClient, service: FakeService
) -> None:
    """As any other call."""
    failed = status(grpc.StatusCode.INTERNAL, "INFERENCE_FAILED", "The model failed.")
    service.failures.append(failed)
    with pytest.raises(InferenceFailed):
        list(client.classify_stream([("1", b"a")]))
    service.failures.append(failed)
    with pytest.raises(InferenceFailed):
        [answer async for answer in aio_client.classify_stream([("1", b"a")])]


def test_the_blocking_client_does_not_wait_for_an_asyncio_iterable(client: RecognitionClient) -> None:
    """It says so."""

    async def arriving() -> AsyncIterator[Named]:
        yield "1", b"a"

    with pytest.raises(TypeError, match="ordinary iterable"):
        list(client.classify_stream(arriving()))  # type: ignore[arg-type] # on purpose
