"""The asyncio client. Everything but the waiting is shared with its blocking twin in client.py."""

import asyncio
from collections.abc import Iterable
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from recognition_client.batches import IMAGES_PER_REQUEST, Batch, Image, Outcome, batches, read_image
from recognition_client.channel import ChannelConfig, open_aio_channel
from recognition_client.errors import BatchTooLarge, ImageRejected, ModelNotFound, error_of_call
from recognition_client.models import HealthStatus, ModelInfo, health_status, model_info
from recognition_client.requests import (
    HEALTH_CHECK,
    Question,
    health_request,
    list_models_request,
    question,
    selector,
)
from recognition_client.results import ClassifyResult, ImageError, classify_result, outcomes

if TYPE_CHECKING:
    from recognition.v1.recognition_pb2_grpc import RecognitionServiceAsyncStub  # only the type stubs have it

Request = TypeVar("Request")
Response = TypeVar("Response")


class AsyncRecognitionClient:
    """Asks a recognition service from one event loop; the arguments are those of RecognitionClient.

    It may be made before the loop runs; the channel belongs to the loop of the first call.
    """

    def __init__(self, target: str = "localhost:8001", *, timeout_seconds: float = 10.0, max_attempts: int = 4) -> None:
        self._config = ChannelConfig(target=target, timeout_seconds=timeout_seconds, max_attempts=max_attempts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection and every call that is still under way."""
        await self._channel.close()

    async def classify(
        self,
        image: Image,
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        timeout_seconds: float | None = None,
    ) -> ClassifyResult:
        """Labels one image. Raises ImageRejected for a bad one, and OSError for a path that cannot be read."""
        asked = question(model=model, version=version, alias=alias, top_k=top_k, min_confidence=min_confidence)
        request = asked.of_image(await asyncio.to_thread(read_image, image))
        return classify_result(await self._call(self._stub.Classify, request, timeout_seconds))

    async def batch_classify(
        self,
        images: Iterable[Image],
        *,
        model: str = "",
        version: int | None = None,
        alias: str | None = None,
        top_k: int = 5,
        min_confidence: float | None = None,
        timeout_seconds: float | None = None,
        images_per_request: int = IMAGES_PER_REQUEST,
        concurrency: int = 4,
    ) -> list[Outcome]:
        """Labels many images: one outcome for each, in their order, a bad one as an ImageError in its place.

        Any number may be given: they travel in requests of at most `images_per_request` images, `concurrency` of them
        at a time, and the deadline is that of one request. The first request that fails as a whole ends the others.
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is 1 or more, and not {concurrency}")
        asked = question(model=model, version=version, alias=alias, top_k=top_k, min_confidence=min_confidence)
        waiting = batches(images, images_per_request=images_per_request)
        slots = asyncio.Semaphore(concurrency)
        tasks: list[asyncio.Task[list[Outcome]]] = []
        try:
            async with asyncio.TaskGroup() as group:
                await slots.acquire()
                while (batch := await asyncio.to_thread(next, waiting, None)) is not None:
                    task = group.create_task(self._classify_batch(batch, asked, timeout_seconds))
                    task.add_done_callback(lambda _: slots.release())
                    tasks.append(task)
                    await slots.acquire()
        except* Exception as failures:  # noqa: BLE001 - whatever it is, it is raised again, out of its group
            failure = failures.exceptions[0]
        else:
            return [outcome for task in tasks for outcome in task.result()]
        raise failure

    async def list_models(self, *, timeout_seconds: float | None = None) -> list[ModelInfo]:
        """All model versions of the server, ready or not, sorted by name and version."""
        models: list[ModelInfo] = []
        page_token = ""
        while True:
            page = await self._call(self._stub.ListModels, list_models_request(page_token), timeout_seconds)
            models += map(model_info, page.models)
            page_token = page.next_page_token
            if not page_token:
                return models

    async def get_model(
        self,
        model: str = "",
        *,
        version: int | None = None,
        alias: str | None = None,
        timeout_seconds: float | None = None,
    ) -> ModelInfo:
        """The model version that would answer if `classify` were given the same names."""
        request = pb.GetModelRequest(model=selector(model=model, version=version, alias=alias))
        return model_info((await self._call(self._stub.GetModel, request, timeout_seconds)).model)

    async def health(self, service: str = "", *, timeout_seconds: float | None = None) -> HealthStatus:
        """Whether the server as a whole answers, or the model or gRPC service that is named."""
        try:
            return health_status(await self._call(self._check_health, health_request(service), timeout_seconds))
        except ModelNotFound:
            return HealthStatus.SERVICE_UNKNOWN

    async def _classify_batch(self, batch: Batch, asked: Question, timeout_seconds: float | None) -> list[Outcome]:
        if not batch.images:
            return batch.merge([])
        try:
            response = await self._call(self._stub.BatchClassify, asked.of_images(batch.images), timeout_seconds)
        except (BatchTooLarge, ImageRejected) as error:
            if len(batch.images) == 1:
                return batch.merge([ImageError.from_details(error.details)])
            first, second = batch.halves()
            answers = await self._classify_batch(first, asked, timeout_seconds)
            return answers + await self._classify_batch(second, asked, timeout_seconds)
        return batch.merge(outcomes(response, expected=len(batch.images)))

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_seconds: float | None,
    ) -> Response:
        try:
            return await method(request, timeout=self._config.deadline(timeout_seconds))
        except grpc.RpcError as error:
            raise error_of_call(error, target=self._config.target) from error

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return open_aio_channel(self._config)

    @cached_property
    def _stub(self) -> "RecognitionServiceAsyncStub":
        return RecognitionServiceStub(self._channel)

    @cached_property
    def _check_health(
        self,
    ) -> grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]:
        return self._channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
