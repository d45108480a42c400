"""The gRPC door of the Open Inference Protocol: messages in, calls of the core, messages out."""

import asyncio
from collections.abc import AsyncIterator
from typing import NoReturn, cast

import grpc
from recognition.oip import open_inference_pb2 as pb
from recognition.oip import open_inference_pb2_grpc as pb_grpc

from service.api.oip.core import OpenInference
from service.api.oip.messages import answer_message, request_of
from service.api.oip.recurring import RecurringRequests
from service.api.oip.requests import InferRequest
from service.api.oip.wire_answers import WireAnswers
from service.api.stream import answers_as_ready
from service.api.surround import Context
from service.errors import NotOffered, ServiceError

SERVICE = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
STREAM_PLACES = 64
"""Requests of one stream that are worked on at a time."""
STATUS_HEADER = "triton_grpc_error"
FINAL = "triton_final_response"


class OpenInferenceServicer(pb_grpc.GRPCInferenceServiceServicer):
    """Answers every call of the protocol; what is not offered says so."""

    def __init__(self, core: OpenInference, *, closing: asyncio.Event) -> None:
        self._closing = closing
        self._inference = core.inference
        self._description = core.description
        self._control = core.control
        self._answers = WireAnswers()

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Context) -> pb.ServerLiveResponse:  # noqa: N802, ARG002 - the protocol's name
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Context) -> pb.ServerReadyResponse:  # noqa: N802, ARG002
        return pb.ServerReadyResponse(ready=self._description.ready())

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:  # noqa: N802, ARG002
        return pb.ModelReadyResponse(ready=self._description.model_ready(request.name, request.version))

    async def ServerMetadata(  # noqa: N802
        self,
        request: pb.ServerMetadataRequest,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> pb.ServerMetadataResponse:
        return self._description.server()

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Context) -> pb.ModelMetadataResponse:  # noqa: N802, ARG002
        return self._description.model(request.name, request.version)

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Context) -> pb.ModelInferResponse:  # noqa: N802
        return pb.ModelInferResponse.FromString(await self.infer_wire(request_of(request), context))

    async def infer_wire(self, request: InferRequest, context: Context) -> bytes:
        """ModelInfer, without messages of protobuf where the same can be had without them."""
        remaining = cast("float | None", context.time_remaining())  # the stubs do not know of None
        return self._answers.bytes_of(await self._inference.infer(request, remaining_seconds=remaining))

    async def ModelStreamInfer(  # noqa: N802
        self, request_iterator: AsyncIterator[pb.ModelInferRequest], context: Context
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        metadata = dict(context.invocation_metadata() or ())
        answer = self._answer if metadata.get(STATUS_HEADER) == "true" else self._answer_or_error
        answers = answers_as_ready(request_iterator, answer, limit=STREAM_PLACES, closing=self._closing)
        async for response in answers:
            yield response

    async def ModelConfig(self, request: pb.ModelConfigRequest, context: Context) -> pb.ModelConfigResponse:  # noqa: N802, ARG002
        return pb.ModelConfigResponse(config=self._description.config(request.name, request.version))

    async def ModelStatistics(self, request: pb.ModelStatisticsRequest, context: Context) -> pb.ModelStatisticsResponse:  # noqa: N802, ARG002
        return self._description.statistics(request.name, request.version)

    async def RepositoryIndex(self, request: pb.RepositoryIndexRequest, context: Context) -> pb.RepositoryIndexResponse:  # noqa: N802, ARG002
        models = self._control.index(request.repository_name, only_ready=request.ready)
        return pb.RepositoryIndexResponse(models=models)

    async def RepositoryModelLoad(  # noqa: N802
        self,
        request: pb.RepositoryModelLoadRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.RepositoryModelLoadResponse:
        await self._control.load(request.repository_name, request.model_name, request.parameters)
        return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(  # noqa: N802
        self,
        request: pb.RepositoryModelUnloadRequest,
        context: Context,  # noqa: ARG002
    ) -> pb.RepositoryModelUnloadResponse:
        await self._control.unload(request.repository_name, request.model_name, request.parameters)
        return pb.RepositoryModelUnloadResponse()

    async def _no_shared_memory(self, request: object, context: Context) -> NoReturn:  # noqa: ARG002
        raise NotOffered("shared memory is not offered; send tensors in the request")

    SystemSharedMemoryStatus = _no_shared_memory
    SystemSharedMemoryRegister = _no_shared_memory
    SystemSharedMemoryUnregister = _no_shared_memory
    CudaSharedMemoryStatus = _no_shared_memory
    CudaSharedMemoryRegister = _no_shared_memory
    CudaSharedMemoryUnregister = _no_shared_memory

    async def TraceSetting(self, request: pb.TraceSettingRequest, context: Context) -> NoReturn:  # noqa: N802, ARG002
        raise NotOffered("trace settings are the operator's; no caller reads or changes them")

    async def LogSettings(self, request: pb.LogSettingsRequest, context: Context) -> NoReturn:  # noqa: N802, ARG002
        raise NotOffered("log settings are the operator's; no caller reads or changes them")

    async def _answer(self, request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
        response = pb.ModelStreamInferResponse(
            infer_response=answer_message(await self._inference.infer(request_of(request)))
        )
        response.infer_response.parameters[FINAL].bool_param = True
        return response

    async def _answer_or_error(self, request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
        """An error is an answer of its own; the stream goes on."""
        try:
            return await self._answer(request)
        except ServiceError as error:
            infer_response = pb.ModelInferResponse(id=request.id)
            return pb.ModelStreamInferResponse(error_message=error.sentence, infer_response=infer_response)


def add_open_inference(servicer: OpenInferenceServicer, server: grpc.aio.Server) -> None:
    """All calls of the protocol; requests for inference are read and answered as bytes instead of by protobuf alone."""
    pb_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    infer: grpc.RpcMethodHandler[InferRequest, bytes] = grpc.unary_unary_rpc_method_handler(
        servicer.infer_wire,
        request_deserializer=RecurringRequests().read,
    )
    server.add_registered_method_handlers(SERVICE, {"ModelInfer": infer})
