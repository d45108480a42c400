"""The asyncio client. Everything but the waiting is shared with its blocking twin in client.py."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Self

import grpc
from recognition.v1 import recognition_pb2 as pb

from recognition_client.aio_catalogue import AioCatalogue
from recognition_client.aio_connection import AioConnection
from recognition_client.batches import IMAGES_PER_REQUEST, Image, Outcome, batches, read_image
from recognition_client.channel import ChannelConfig
from recognition_client.columns import Columns, columns_of, columns_or_halved_async
from recognition_client.credentials import Credentials, Pem
from recognition_client.embeddings import Embedding, embeddings
from recognition_client.ending import Ending
from recognition_client.errors import error_of_call
from recognition_client.explanations import Explanation, explanation
from recognition_client.fan_out import fan_out
from recognition_client.halving import whole_or_halved_async
from recognition_client.requests import (
    Priority,
    priority_message,
    question,
    selector,
)
from recognition_client.results import ClassifyResult, ImageError, classify_result, outcomes
from recognition_client.stream import Answered, Named, StreamRequests, answered


class AsyncRecognitionClient(AioCatalogue):
    """Asks a recognition service from one event loop; the arguments are those of RecognitionClient.

    It may be made before the loop runs; the channel belongs to the loop of the first call.
    """

    def __init__(
        self,
        target: str = "localhost:8001",
        *,
        timeout_seconds: float = 10.0,
        max_attempts: int = 4,
        hedge_after_seconds: float | None = None,
        token: str | None = None,
        tls: bool = False,
        root_certificates: Pem | None = None,
        client_certificate: tuple[Pem, Pem] | None = None,
    ) -> None:
        credentials = Credentials(
            token=token, tls=tls, root_certificates=root_certificates, client_certificate=client_certificate
        )
        config = ChannelConfig(
            target=target, timeout_seconds=timeout_seconds, max_attempts=max_attempts, credentials=credentials
        )
        super().__init__(AioConnection(config, hedge_after_seconds=hedge_after_seconds))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and every call that is still under way."""
        await self._server.close()

    async def classify(
        self,
        image: Image,
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
    ) -> ClassifyResult:
        """Labels one image. Raises ImageRejected for a bad one, and OSError for a path that cannot be read."""
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)
        request = asked.of_image(await asyncio.to_thread(read_image, image))
        return classify_result(await self._server.call(self._server.stub.Classify, request, timeout_seconds))

    async def batch_classify(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
        concurrency: int = 4,
    ) -> list[Outcome]:
        """Labels many images: one outcome for each, in their order, a bad one as an ImageError in its place.

        Any number may be given: they travel in requests of at most `images_per_request` images, `concurrency` of them
        at a time, and the deadline is that of one request. The first request that fails as a whole ends the others.
        """
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)

        async def ask(part: list[bytes]) -> list[Outcome]:
            response = await self._server.call(self._server.stub.BatchClassify, asked.of_images(part), timeout_seconds)
            return outcomes(response, expected=len(part))

        cut = batches(images, images_per_request=images_per_request)
        answers = await fan_out(cut, lambda batch: whole_or_halved_async(batch, ask), concurrency=concurrency)
        return [outcome for part in answers for outcome in part]

    async def classify_columns(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
        concurrency: int = 4,
    ) -> Columns:
        """Labels many images as `batch_classify` does; the answers are columns of numbers, for a fraction of the time
        where images are small.
        """
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)

        async def ask(part: list[bytes]) -> Columns:
            request = asked.of_images(part, as_columns=True)
            response = await self._server.call(self._server.stub.BatchClassify, request, timeout_seconds)
            return columns_of(response, expected=len(part))

        cut = batches(images, images_per_request=images_per_request)
        return Columns.joined(
            await fan_out(cut, lambda batch: columns_or_halved_async(batch, ask), concurrency=concurrency)
        )

    async def classify_stream(
        self,
        images: Iterable[Named] | AsyncIterable[Named],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[Answered]:
        """Labels pairs of id and image as they come: pairs of id and outcome, as they are ready and not in order.

        The server takes no more than it can hold, so `images` may be endless. The deadline is that of the whole stream;
        left out, there is none.
        """
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        asked = question(chosen, top_k=top_k, min_confidence=min_confidence, priority=priority)
        requests = StreamRequests(images, asked)
        call = self._server.stub.ClassifyStream(aiter(requests), timeout=timeout_seconds)
        ending = Ending(call)
        try:
            async for response in call:
                for unread in requests.unread():
                    yield unread
                yield answered(response)
        except grpc.RpcError as error:
            raise error_of_call(await ending.of(error), target=self._server.config.target) from error
        finally:
            call.cancel()
        for unread in requests.unread():
            yield unread
        requests.check()

    async def embed(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
        concurrency: int = 4,
    ) -> list[Embedding | ImageError]:
        """Turns images into vectors, as `batch_classify` labels them."""
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        first = priority_message(priority)

        async def ask(part: list[bytes]) -> list[Embedding | ImageError]:
            request = pb.EmbedRequest(model=chosen, images=part, priority=first)
            return embeddings(
                await self._server.call(self._server.stub.Embed, request, timeout_seconds), expected=len(part)
            )

        cut = batches(images, images_per_request=images_per_request)
        answers = await fan_out(cut, lambda batch: whole_or_halved_async(batch, ask), concurrency=concurrency)
        return [outcome for part in answers for outcome in part]

    async def explain(
        self,
        image: Image,
        *,
        label: str = "",
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        precision: str | None = None,
        priority: Priority | str = Priority.NORMAL,
        timeout_seconds: float | None = None,
    ) -> Explanation:
        """A heat map of what speaks for a label; left out, for the most probable one. Raises what `classify` raises."""
        chosen = selector(model=model, version=version, alias=alias, precision=precision)
        request = pb.ExplainRequest(
            model=chosen,
            image=await asyncio.to_thread(read_image, image),
            label=label,
            priority=priority_message(priority),
        )
        return explanation(await self._server.call(self._server.stub.Explain, request, timeout_seconds))
