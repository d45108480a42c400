"""The gRPC door of the protocol: what it answers and refuses, where nothing is changed and nothing counted."""

from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING, Any

import grpc
import numpy as np
import pytest
from recognition.oip import open_inference_pb2 as pb
from recognition.v1 import recognition_pb2

from tests.service.api.oip.calls import Input, infer_request, refusal
from tests.service.in_process import InProcess

if TYPE_CHECKING:
    from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceAsyncStub  # only the type stubs have it

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_server_describes_itself(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Live, ready, and with the extensions that are there."""
    assert (await shared_stub.ServerLive(pb.ServerLiveRequest())).live
    assert (await shared_stub.ServerReady(pb.ServerReadyRequest())).ready
    extensions = (await shared_stub.ServerMetadata(pb.ServerMetadataRequest())).extensions
    assert "statistics" in extensions
    assert "system_shared_memory" not in extensions


async def test_models_describe_themselves(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Packages and plain models alike."""
    plain = await shared_stub.ModelMetadata(pb.ModelMetadataRequest(name="pair"))
    assert [(tensor.name, list(tensor.shape)) for tensor in plain.inputs] == [("a", [-1, 2]), ("b", [-1, 2])]
    assert [tensor.name for tensor in plain.outputs] == ["sum", "difference"]
    config = (await shared_stub.ModelConfig(pb.ModelConfigRequest(name="thirds"))).config
    assert config.max_batch_size == 8
    assert (config.dynamic_batching.priority_levels, config.dynamic_batching.default_priority_level) == (3, 2)
    assert (await shared_stub.ModelReady(pb.ModelReadyRequest(name="pair", version="1"))).ready
    assert not (await shared_stub.ModelReady(pb.ModelReadyRequest(name="pair", version="2"))).ready


async def test_classification_of_half_precision(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Of a plain model with a file of labels."""
    values = np.array([[0.5, -1.0, 2.0]], dtype=np.float16)
    request = pb.ModelInferRequest(
        model_name="half",
        inputs=[Input(name="x", datatype="FP16", shape=[1, 3])],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="y")],
        raw_input_contents=[values.tobytes()],
    )
    request.outputs[0].parameters["classification"].int64_param = 1
    answer = await shared_stub.ModelInfer(request)
    assert (answer.outputs[0].datatype, list(answer.outputs[0].shape)) == ("BYTES", [1, 1])
    assert answer.raw_output_contents[0] == b"\x0c\0\0\0002.000000:2:c"


@pytest.mark.parametrize(
    ("fields", "code", "reason", "text"),
    [
        ({"model": "nobody"}, "NOT_FOUND", "MODEL_NOT_FOUND", "Request for unknown model: 'nobody' is not found"),
        ({"model": ""}, "NOT_FOUND", "MODEL_NOT_FOUND", "Request for unknown model: '' is not found"),
        ({"model_version": "9"}, "NOT_FOUND", "VERSION_NOT_FOUND", "version 9 is not found"),
        ({"model_version": "-1"}, "INVALID_ARGUMENT", "ARGUMENT_INVALID", "integral value > 0"),
        ({"images": 9}, "INVALID_ARGUMENT", "BATCH_TOO_LARGE", "batch-size must be <= 8 for 'thirds'"),
    ],
)
async def test_refusals_have_code_reason_and_text(
    shared_stub: "GRPCInferenceServiceAsyncStub", fields: dict[str, Any], code: str, reason: str, text: str
) -> None:
    """The protocol's words, with the details that all our errors have."""
    got = await refusal(shared_stub.ModelInfer(infer_request(**fields)))
    assert (got[0].name, got[2]) == (code, reason)
    assert text in got[1]


async def test_a_stream_survives_its_errors(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Each error is an answer with the id of its request."""

    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        for place, model in enumerate(("thirds", "nobody", "thirds")):
            yield infer_request(model, id=str(place))

    answers = [answer async for answer in shared_stub.ModelStreamInfer(requests())]
    failed = {answer.infer_response.id: answer.error_message for answer in answers if answer.error_message}
    assert list(failed) == ["1"]
    assert "unknown model" in failed["1"]
    done = [answer.infer_response for answer in answers if not answer.error_message]
    assert {answer.id for answer in done} == {"0", "2"}
    assert all(answer.parameters["triton_final_response"].bool_param for answer in done)


async def test_a_stream_may_ask_for_a_status(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Then an error ends it."""

    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        yield infer_request("nobody")

    call = shared_stub.ModelStreamInfer(requests(), metadata=(("triton_grpc_error", "true"),))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(call))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_what_is_not_offered_says_so(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Every call of shared memory, trace and log settings; none is INTERNAL."""
    calls: list[Awaitable[Any]] = [
        shared_stub.SystemSharedMemoryStatus(pb.SystemSharedMemoryStatusRequest()),
        shared_stub.SystemSharedMemoryRegister(pb.SystemSharedMemoryRegisterRequest()),
        shared_stub.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest()),
        shared_stub.CudaSharedMemoryStatus(pb.CudaSharedMemoryStatusRequest()),
        shared_stub.CudaSharedMemoryRegister(pb.CudaSharedMemoryRegisterRequest()),
        shared_stub.CudaSharedMemoryUnregister(pb.CudaSharedMemoryUnregisterRequest()),
        shared_stub.TraceSetting(pb.TraceSettingRequest()),
        shared_stub.LogSettings(pb.LogSettingsRequest()),
        shared_stub.RepositoryIndex(pb.RepositoryIndexRequest(repository_name="other")),
    ]
    for call in calls:
        code, text, reason = await refusal(call)
        assert (code, reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_OFFERED")
        assert text


async def test_compressed_messages_are_refused(shared_stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Before they are inflated."""
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await shared_stub.ModelInfer(infer_request(images=8), compression=compression)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_plain_model_is_no_classifier(shared: InProcess) -> None:
    """recognition.v1 says where it answers instead."""
    request = recognition_pb2.ClassifyRequest(model=recognition_pb2.ModelSelector(name="pair"), image=b"x")
    code, text, _ = await refusal(shared.stub.Classify(request))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Open Inference Protocol" in text
