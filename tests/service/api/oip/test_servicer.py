"""The gRPC door of the protocol, through the whole service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from recognition.oip import open_inference_pb2 as pb
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from recognition.v1 import recognition_pb2

from tests.service.in_process import InProcess, held, serving, until, until_at_work
from tests.service.packages import encode, picture

if TYPE_CHECKING:
    from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceAsyncStub  # only the type stubs have it

Input = pb.ModelInferRequest.InferInputTensor


def infer_request(model: str = "thirds", *, images: int = 1, **fields: Any) -> pb.ModelInferRequest:
    pixels = np.stack([picture(place % 3) for place in range(images)])
    tensor = Input(name="image", datatype="UINT8", shape=[images, 8, 12, 1])
    return pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[pixels.tobytes()], **fields)


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, str]:
    """Code, text and reason."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type] # the stubs know the blocking calls only
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return raised.value.code(), raised.value.details() or "", info.reason


async def test_the_server_describes_itself(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Live, ready, and with the extensions that are there."""
    assert (await stub.ServerLive(pb.ServerLiveRequest())).live
    assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
    extensions = (await stub.ServerMetadata(pb.ServerMetadataRequest())).extensions
    assert "statistics" in extensions
    assert "system_shared_memory" not in extensions


async def test_a_server_that_exits_is_unavailable(models: Path) -> None:
    """Which its clients know as something to try elsewhere."""
    async with serving(models) as service:
        stub: GRPCInferenceServiceAsyncStub = GRPCInferenceServiceStub(service.channel)
        service.server._door.closing.set()
        for call in (
            stub.ServerReady(pb.ServerReadyRequest()),
            stub.ModelReady(pb.ModelReadyRequest(name="thirds")),
            stub.ModelInfer(pb.ModelInferRequest(model_name="thirds")),
        ):
            assert (await refusal(call))[::2] == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")


async def test_models_describe_themselves(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Packages and plain models alike."""
    plain = await stub.ModelMetadata(pb.ModelMetadataRequest(name="pair"))
    assert [(tensor.name, list(tensor.shape)) for tensor in plain.inputs] == [("a", [-1, 2]), ("b", [-1, 2])]
    assert [tensor.name for tensor in plain.outputs] == ["sum", "difference"]
    config = (await stub.ModelConfig(pb.ModelConfigRequest(name="thirds"))).config
    assert config.max_batch_size == 8
    assert (config.dynamic_batching.priority_levels, config.dynamic_batching.default_priority_level) == (3, 2)
    assert (await stub.ModelReady(pb.ModelReadyRequest(name="pair", version="1"))).ready
    assert not (await stub.ModelReady(pb.ModelReadyRequest(name="pair", version="2"))).ready


async def test_inference_is_answered_and_counted(service: InProcess, stub: "GRPCInferenceServiceAsyncStub") -> None:
    """In the metrics of calls and batches, and in the statistics."""
    answer = await stub.ModelInfer(infer_request(images=3, id="mine"))
    logits = np.frombuffer(answer.raw_output_contents[0], dtype=np.float32).reshape(3, 3)
    assert logits.argmax(axis=1).tolist() == [0, 1, 2]
    assert (answer.id, answer.model_version) == ("mine", "1")
    assert service.sum("recognition_requests_total", rpc="ModelInfer", model="thirds", code="OK") == 1
    assert service.sum("recognition_batch_size_sum", model="thirds") == 3
    told = (await stub.ModelStatistics(pb.ModelStatisticsRequest(name="thirds"))).model_stats[0]
    assert (told.inference_count, told.inference_stats.success.count) == (3, 1)


async def test_images_are_counted_as_at_every_door(service: InProcess, stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Predictions by label, and bad images."""
    request = pb.ModelInferRequest(
        model_name="thirds",
        inputs=[Input(name="image", datatype="BYTES", shape=[3])],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("logits", "error")],
    )
    images = [encode(picture(2)), b"nothing", encode(picture(2))]
    request.inputs[0].contents.bytes_contents.extend(images)
    await stub.ModelInfer(request)
    assert service.sum("recognition_predictions_total", model="thirds", label="right") == 2
    assert service.sum("recognition_images_total", outcome="ok") == 2
    assert service.sum("recognition_images_total", outcome="error") == 1
    del request.outputs[:]
    assert (await refusal(stub.ModelInfer(request)))[2] == "IMAGE_UNREADABLE"  # none of the three is answered
    assert service.sum("recognition_images_total", outcome="error") == 1 + 3


async def test_classification_of_half_precision(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Of a plain model with a file of labels."""
    values = np.array([[0.5, -1.0, 2.0]], dtype=np.float16)
    request = pb.ModelInferRequest(
        model_name="half",
        inputs=[Input(name="x", datatype="FP16", shape=[1, 3])],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="y")],
        raw_input_contents=[values.tobytes()],
    )
    request.outputs[0].parameters["classification"].int64_param = 1
    answer = await stub.ModelInfer(request)
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
    stub: "GRPCInferenceServiceAsyncStub", fields: dict[str, Any], code: str, reason: str, text: str
) -> None:
    """The protocol's words, with the details that all our errors have."""
    got = await refusal(stub.ModelInfer(infer_request(**fields)))
    assert (got[0].name, got[2]) == (code, reason)
    assert text in got[1]


async def test_more_images_than_a_batch_holds_are_split(models: Path) -> None:
    """As those of BatchClassify, and up to the same number; a tensor is one batch."""
    async with serving(models, max_batch_size=8, max_request_images=20) as service:
        stub: GRPCInferenceServiceAsyncStub = GRPCInferenceServiceStub(service.channel)
        for count in (20, 21):
            request = pb.ModelInferRequest(
                model_name="thirds", inputs=[Input(name="image", datatype="BYTES", shape=[count])]
            )
            request.inputs[0].contents.bytes_contents.extend(encode(picture(place % 3)) for place in range(count))
            if count == 21:
                code, text, reason = await refusal(stub.ModelInfer(request))
                assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BATCH_TOO_LARGE")
                assert "batch-size must be <= 20 for 'thirds'" in text
            else:
                answer = await stub.ModelInfer(request)
                logits = np.frombuffer(answer.raw_output_contents[0], dtype=np.float32).reshape(20, 3)
                assert logits.argmax(axis=1).tolist() == [place % 3 for place in range(20)]


async def test_the_statistics_are_those_of_every_door(models: Path) -> None:
    """Requests, items and batches tell one story, the cache included; golden samples are nobody's requests."""
    async with serving(models, http=True, cache_bytes=2**20) as service:
        stub: GRPCInferenceServiceAsyncStub = GRPCInferenceServiceStub(service.channel)
        image = encode(picture(1))
        await service.server._upkeep.golden_watch.look()
        for _ in range(3):
            await service.stub.Classify(recognition_pb2.ClassifyRequest(image=image))
        await stub.ModelInfer(infer_request(images=4))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
            await client.post("/v1/models/thirds:embed", content=encode(picture(2)))
        stream = service.stub.ClassifyStream(iter([recognition_pb2.ClassifyStreamRequest(image=encode(picture(0)))]))
        assert len([answer async for answer in stream]) == 1
        told = (await stub.ModelStatistics(pb.ModelStatisticsRequest(name="thirds"))).model_stats[0]
        batches = service.sum("recognition_batch_size_count") - 1  # that of the golden sample
    stats = told.inference_stats
    assert (told.inference_count, told.execution_count) == (7, batches)
    assert (stats.success.count, stats.queue.count, stats.compute_infer.count, stats.fail.count) == (6, 6, 4, 0)
    assert (stats.cache_hit.count, stats.cache_miss.count) == (2, 3)
    assert stats.cache_hit.ns > 0
    assert sum(batch.batch_size * batch.compute_infer.count for batch in told.batch_stats) == 7


async def test_a_full_queue_is_unavailable(models: Path) -> None:
    """As the protocol has it, though recognition.v1 calls it RESOURCE_EXHAUSTED."""
    async with serving(models, max_queue_images=1) as service:
        stub = GRPCInferenceServiceStub(service.channel)
        with held(service.live()):
            waiting = [asyncio.ensure_future(stub.ModelInfer(infer_request()))]
            await until_at_work(service.live())
            waiting.append(asyncio.ensure_future(stub.ModelInfer(infer_request())))
            await until(lambda: service.live().batcher.waiting == 1)
            got = await refusal(stub.ModelInfer(infer_request()))
        await asyncio.gather(*waiting)
    assert (got[0], got[2]) == (grpc.StatusCode.UNAVAILABLE, "QUEUE_FULL")
    assert got[1].startswith("Exceeds maximum queue size")


async def test_the_timeout_parameter_is_kept(service: InProcess, stub: "GRPCInferenceServiceAsyncStub") -> None:
    """It shortens the call's own deadline."""
    request = infer_request()
    request.parameters["timeout"].int64_param = 20_000
    with held(service.live()):
        blocking = asyncio.ensure_future(stub.ModelInfer(infer_request()))
        await service.until_inside(1)
        late = asyncio.ensure_future(refusal(stub.ModelInfer(request)))
        await until(lambda: service.inside == 2 or late.done())
        await asyncio.sleep(0.1)
    assert (await late)[0] is grpc.StatusCode.UNAVAILABLE
    await blocking


async def test_a_stream_survives_its_errors(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Each error is an answer with the id of its request."""

    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        for place, model in enumerate(("thirds", "nobody", "thirds")):
            yield infer_request(model, id=str(place))

    answers = [answer async for answer in stub.ModelStreamInfer(requests())]
    failed = {answer.infer_response.id: answer.error_message for answer in answers if answer.error_message}
    assert list(failed) == ["1"]
    assert "unknown model" in failed["1"]
    done = [answer.infer_response for answer in answers if not answer.error_message]
    assert {answer.id for answer in done} == {"0", "2"}
    assert all(answer.parameters["triton_final_response"].bool_param for answer in done)


async def test_a_stream_may_ask_for_a_status(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Then an error ends it."""

    async def requests() -> AsyncIterator[pb.ModelInferRequest]:
        yield infer_request("nobody")

    call = stub.ModelStreamInfer(requests(), metadata=(("triton_grpc_error", "true"),))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await anext(aiter(call))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_loading_and_unloading(service: InProcess, stub: "GRPCInferenceServiceAsyncStub") -> None:
    """By name, and nothing else; other calls are answered meanwhile."""
    await stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="pair"))
    assert not (await stub.ModelReady(pb.ModelReadyRequest(name="pair"))).ready
    index = (await stub.RepositoryIndex(pb.RepositoryIndexRequest())).models
    assert {(model.name, model.state) for model in index} >= {("pair", "UNAVAILABLE"), ("thirds", "READY")}
    ready = (await stub.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))).models
    assert [model.name for model in ready] == ["half", "thirds"]
    await stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="pair"))
    assert (await stub.ModelReady(pb.ModelReadyRequest(name="pair"))).ready
    for name in ("file:1/model.onnx", "config"):
        request = pb.RepositoryModelLoadRequest(model_name="pair")
        request.parameters[name].bytes_param = b"x"
        assert (await refusal(stub.RepositoryModelLoad(request)))[0] is grpc.StatusCode.INVALID_ARGUMENT


async def test_without_explicit_control_nothing_is_loaded(models: Path) -> None:
    """Nor unloaded."""
    async with serving(models) as service:
        stub = GRPCInferenceServiceStub(service.channel)
        for call in (
            stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="thirds")),
            stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="thirds")),
        ):
            code, text, _ = await refusal(call)
            assert code is grpc.StatusCode.UNIMPLEMENTED
            assert "model_control = explicit" in text
        assert (await stub.ModelReady(pb.ModelReadyRequest(name="thirds"))).ready


async def test_what_is_not_offered_says_so(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Every call of shared memory, trace and log settings; none is INTERNAL."""
    calls: list[Awaitable[Any]] = [
        stub.SystemSharedMemoryStatus(pb.SystemSharedMemoryStatusRequest()),
        stub.SystemSharedMemoryRegister(pb.SystemSharedMemoryRegisterRequest()),
        stub.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest()),
        stub.CudaSharedMemoryStatus(pb.CudaSharedMemoryStatusRequest()),
        stub.CudaSharedMemoryRegister(pb.CudaSharedMemoryRegisterRequest()),
        stub.CudaSharedMemoryUnregister(pb.CudaSharedMemoryUnregisterRequest()),
        stub.TraceSetting(pb.TraceSettingRequest()),
        stub.LogSettings(pb.LogSettingsRequest()),
        stub.RepositoryIndex(pb.RepositoryIndexRequest(repository_name="other")),
    ]
    for call in calls:
        code, text, reason = await refusal(call)
        assert (code, reason) == (grpc.StatusCode.UNIMPLEMENTED, "NOT_OFFERED")
        assert text


async def test_compressed_messages_are_refused(stub: "GRPCInferenceServiceAsyncStub") -> None:
    """Before they are inflated."""
    for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.ModelInfer(infer_request(images=8), compression=compression)
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_plain_model_is_no_classifier(service: InProcess) -> None:
    """recognition.v1 says where it answers instead."""
    request = recognition_pb2.ClassifyRequest(model=recognition_pb2.ModelSelector(name="pair"), image=b"x")
    code, text, _ = await refusal(service.stub.Classify(request))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "Open Inference Protocol" in text
