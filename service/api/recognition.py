"""The door `recognition.v1.RecognitionService`: messages in, engine calls, messages out. It knows gRPC and no ONNX."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import cast

from recognition.v1 import recognition_pb2 as pb
from recognition.v1 import recognition_pb2_grpc as pb_grpc

from service.api.errors import status_of
from service.api.messages import (
    alias_of,
    batch_classify_response,
    classification_message,
    classify_result_message,
    columns_response,
    embed_result_message,
    explain_response,
    model_message,
    options_of,
    precision_of,
    priority_of,
    served_model_message,
    stage_times_message,
    version_of,
)
from service.api.recogniser import Recogniser
from service.api.stream import answers_as_ready
from service.api.surround import Context
from service.engine.answers import Answer, Embedded
from service.engine.times import work_of
from service.errors import ArgumentInvalid, QueueFull, ServiceError
from service.models.live_model import LiveModel
from service.models.registry import Registry

DEFAULT_PAGE_SIZE = 100
LARGEST_PAGE_SIZE = 1000
LONGEST_ID_BYTES = 256


class RecognitionServicer(pb_grpc.RecognitionServiceServicer):
    """Answers the calls of the recognition API."""

    def __init__(self, recogniser: Recogniser, registry: Registry, *, closing: asyncio.Event) -> None:
        self._closing = closing
        self._recogniser = recogniser
        self._registry = registry

    async def Classify(self, request: pb.ClassifyRequest, context: Context) -> pb.ClassifyResponse:  # noqa: N802 - the API's name
        live = self._live_model(request.model)
        top_k, min_confidence = options_of(request.options)
        answer = await self._recogniser.classify(
            live,
            request.image,
            top_k=top_k,
            min_confidence=min_confidence,
            deadline=self._deadline(context),
            priority=priority_of(request.priority),
        )
        return pb.ClassifyResponse(
            classification=classification_message(answer.classification),
            model=served_model_message(live),
            times=stage_times_message([answer.times]),
        )

    async def BatchClassify(self, request: pb.BatchClassifyRequest, context: Context) -> pb.BatchClassifyResponse:  # noqa: N802
        live = self._live_model(request.model)
        top_k, min_confidence = options_of(request.options)
        answers = await self._recogniser.classify_many(
            live,
            request.images,
            top_k=top_k,
            min_confidence=min_confidence,
            deadline=self._deadline(context),
            priority=priority_of(request.priority),
        )
        if request.as_columns:
            return columns_response(live, answers)
        return batch_classify_response(live, answers)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:  # noqa: N802, ARG002
        if not 0 <= request.page_size <= LARGEST_PAGE_SIZE:
            raise ArgumentInvalid(f"page_size must be 0 to {LARGEST_PAGE_SIZE}.", field="page_size")
        if request.page_token and not request.page_token.isdecimal():
            raise ArgumentInvalid("page_token must be one that ListModels gave.", field="page_token")
        entries = self._registry.entries()
        begin = int(request.page_token[:9] or 0)
        end = begin + (request.page_size or DEFAULT_PAGE_SIZE)
        return pb.ListModelsResponse(
            models=[model_message(entry) for entry in entries[begin:end]],
            next_page_token=str(end) if end < len(entries) else "",
        )

    async def GetModel(self, request: pb.GetModelRequest, context: Context) -> pb.GetModelResponse:  # noqa: N802, ARG002
        entry = self._registry.find(
            request.model.name, version=version_of(request.model), alias=alias_of(request.model)
        )
        return pb.GetModelResponse(model=model_message(entry, precision_of(request.model)))

    async def ClassifyStream(  # noqa: N802
        self,
        request_iterator: AsyncIterator[pb.ClassifyStreamRequest],
        context: Context,
    ) -> AsyncIterator[pb.ClassifyStreamResponse]:
        remaining = cast("float | None", context.time_remaining())
        deadline = None if remaining is None else self._recogniser.deadline(remaining)
        answers = answers_as_ready(
            _filled_in(request_iterator),
            lambda request: self._answer_in_stream(request, deadline),
            limit=self._recogniser.max_images,
            closing=self._closing,
        )
        async for answer in answers:
            yield answer

    async def Embed(self, request: pb.EmbedRequest, context: Context) -> pb.EmbedResponse:  # noqa: N802
        live = self._live_model(request.model)
        results = await self._recogniser.embed_many(
            live, request.images, deadline=self._deadline(context), priority=priority_of(request.priority)
        )
        return pb.EmbedResponse(
            results=[embed_result_message(result) for result in results],
            model=served_model_message(live),
            times=stage_times_message([result.times for result in results if isinstance(result, Embedded)]),
        )

    async def Explain(self, request: pb.ExplainRequest, context: Context) -> pb.ExplainResponse:  # noqa: N802
        live = self._live_model(request.model)
        explanation = await self._recogniser.explain(
            live,
            request.image,
            label=request.label,
            deadline=self._deadline(context),
            priority=priority_of(request.priority),
        )
        return explain_response(live, explanation)

    async def _answer_in_stream(
        self, request: pb.ClassifyStreamRequest, deadline: float | None
    ) -> pb.ClassifyStreamResponse:
        """Whatever is wrong with an item is its own error: the stream goes on."""
        response = pb.ClassifyStreamResponse(id=request.id)
        try:
            answer = await self._answer_item(request, response, deadline)
        except ServiceError as error:
            self._recogniser.count_error(error)
            response.result.error.CopyFrom(status_of(error))
        else:
            response.result.CopyFrom(classify_result_message(answer))
            response.times.CopyFrom(stage_times_message([answer.times]))
        return response

    async def _answer_item(
        self, request: pb.ClassifyStreamRequest, response: pb.ClassifyStreamResponse, deadline: float | None
    ) -> Answer:
        """Waits where a single call would be refused, as long as the stream's deadline allows: the stream itself is
        what holds the sender back.
        """
        if len(request.id.encode()) > LONGEST_ID_BYTES:
            raise ArgumentInvalid(f"An id may have at most {LONGEST_ID_BYTES} bytes.", field="id")
        live = self._live_model(request.model)
        response.model.CopyFrom(served_model_message(live))
        top_k, min_confidence = options_of(request.options)
        with self._recogniser.request(live) as works:
            while True:
                try:
                    answer = await live.classifier.classify(
                        request.image,
                        top_k=top_k,
                        min_confidence=min_confidence,
                        deadline=deadline,
                        priority=priority_of(request.priority),
                    )
                except QueueFull as error:
                    if deadline is not None and time.monotonic() + error.retry_seconds >= deadline:
                        raise
                    await asyncio.sleep(error.retry_seconds)
                else:
                    works.append(work_of([answer.times]))
                    self._recogniser.count(live, answer)
                    return answer

    def _live_model(self, selector: pb.ModelSelector) -> LiveModel:
        return self._recogniser.live_model(
            selector.name,
            version=version_of(selector),
            alias=alias_of(selector),
            precision=precision_of(selector),
        )

    def _deadline(self, context: Context) -> float:
        return self._recogniser.deadline(
            cast("float | None", context.time_remaining())
        )  # the stubs do not know of None


async def _filled_in(
    requests: AsyncIterator[pb.ClassifyStreamRequest],
) -> AsyncIterator[pb.ClassifyStreamRequest]:
    """Each request with the model, the options and the priority of the one before it where it names none."""
    model, options, priority = pb.ModelSelector(), pb.ClassifyOptions(), pb.PRIORITY_UNSPECIFIED
    async for request in requests:
        model = request.model if request.HasField("model") else model
        options = request.options if request.HasField("options") else options
        request.model.CopyFrom(model)
        request.options.CopyFrom(options)
        priority = request.priority = request.priority or priority
        yield request
