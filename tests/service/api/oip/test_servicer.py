"""The gRPC door of the protocol, through the whole service."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import httpx
import numpy as np
from recognition.oip import open_inference_pb2 as pb
from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceStub
from recognition.v1 import recognition_pb2

from tests.service.api.oip.calls import Input, infer_request, refusal
from tests.service.in_process import InProcess, held, serving, until, until_at_work
from tests.service.packages import encode, picture

if TYPE_CHECKING:
    from recognition.oip.open_inference_pb2_grpc import GRPCInferenceServiceAsyncStub  # only the type stubs have it


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
