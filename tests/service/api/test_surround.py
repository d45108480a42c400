"""What surrounds every gRPC call, at a real server: refusals become statuses, faults tell nothing, others pass by."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from service.api.errors import status_of
from service.api.recognition import RecognitionServicer
from service.api.surround import pushback
from service.errors import ModelNotFound, QueueFull
from service.metrics import rpc_label
from tests.service.api.refusals import refusal
from tests.service.in_process import InProcess, serving
from tests.service.packages import encode, picture

if TYPE_CHECKING:
    from recognition.v1.recognition_pb2_grpc import RecognitionServiceAsyncStub

PREFIX = "/recognition.v1.RecognitionService"
LARGEST = 10_000
"""Bytes of a message."""
TELLTALE = "/srv/telltale: CUDA error 700 at 0x7f00deadbeef"


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    """GetModel and ClassifyStream, broken by a fault that says too much."""

    async def get_model(*_: Any) -> pb.GetModelResponse:
        raise RuntimeError(TELLTALE) from OSError(TELLTALE)

    async def classify_stream(_: Any, requests: AsyncIterator[Any], *__: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield pb.ClassifyStreamResponse(id=request.id)
            raise RuntimeError(TELLTALE)

    monkeypatch.setattr(RecognitionServicer, "GetModel", get_model)
    monkeypatch.setattr(RecognitionServicer, "ClassifyStream", classify_stream)


def assert_nothing_is_told(service: InProcess, error: grpc.aio.AioRpcError, rpc: str) -> None:
    """Constant words and an id; under the id the log has the fault itself."""
    found = refusal(error)
    (logged,) = service.events("call failed")
    assert (found.code, found.reason) == ("INTERNAL", "INTERNAL")
    assert found.metadata == {"request_id": logged["request_id"]}
    assert found.message == f"Internal error; the server's log has it as {logged['request_id']}."
    assert all(part not in repr(error) for part in ("telltale", "CUDA", "0x7f", "RuntimeError", "Traceback"))
    assert logged["rpc"] == rpc
    assert logged["exc_info"]


@pytest.mark.usefixtures("faulty")
async def test_a_fault_of_a_call_tells_only_its_id(service: InProcess) -> None:
    """Nothing of the exception reaches the caller; the next call works."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.stub.GetModel(pb.GetModelRequest())
    assert_nothing_is_told(service, refused.value, "GetModel")
    assert len((await service.stub.ListModels(pb.ListModelsRequest())).models) == 1


@pytest.mark.usefixtures("faulty")
async def test_a_fault_of_a_stream_tells_only_its_id(service: InProcess) -> None:
    """What was answered before it still arrives."""
    call = service.stub.ClassifyStream()
    await call.write(pb.ClassifyStreamRequest(id="a"))
    answer = await call.read()
    assert isinstance(answer, pb.ClassifyStreamResponse)
    assert answer.id == "a"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert_nothing_is_told(service, refused.value, "ClassifyStream")


async def test_a_refusal_is_logged_without_a_traceback(service: InProcess) -> None:
    """It is nobody's fault; its reason and sentence are there."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.stub.GetModel(pb.GetModelRequest(model=pb.ModelSelector(name="quarters")))
    assert refusal(refused.value).reason == ModelNotFound.reason
    (logged,) = service.events("call refused")
    assert (logged["reason"], logged["log_level"]) == ("MODEL_NOT_FOUND", "info")
    assert logged["sentence"] == refused.value.details()
    assert "exc_info" not in logged
    assert service.events("call failed") == []


async def test_words_of_any_script_arrive(service: InProcess) -> None:
    """The status line of HTTP/2 knows only ASCII; gRPC's encoding takes care of the rest."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.stub.GetModel(pb.GetModelRequest(model=pb.ModelSelector(name="žirafa 猫 ×")))
    assert "žirafa 猫 ×" in refusal(refused.value).message


async def test_every_call_is_counted_by_its_name_and_code(service: InProcess) -> None:
    """Those that compute under their own name, with the model where one answered; the others share one."""
    await service.stub.Classify(pb.ClassifyRequest(image=encode(picture(1))))
    await service.stub.ListModels(pb.ListModelsRequest())
    with pytest.raises(grpc.aio.AioRpcError):
        await service.stub.GetModel(pb.GetModelRequest(model=pb.ModelSelector(name="quarters")))
    count = service.metrics.get_sample_value
    labels = {"model": "", "version": ""}
    assert count("recognition_requests_total", labels | {"rpc": "other", "code": "OK"}) == 1
    assert count("recognition_requests_total", labels | {"rpc": "other", "code": "NOT_FOUND"}) == 1
    thirds = {"rpc": "Classify", "model": "thirds", "version": "1", "code": "OK"}
    assert count("recognition_requests_total", thirds) == 1
    assert count("recognition_request_duration_seconds_count", {"rpc": "other"}) == 2
    assert service.sum("recognition_requests_total") == service.sum("recognition_received_total") == 3


async def test_other_services_pass_untouched(service: InProcess) -> None:
    """Health is asked without being counted, and still answers when the door is closed."""
    await service.server._door.close(within_seconds=0)
    assert await service.health() == "SERVING"
    assert service.sum("recognition_requests_total") == 0


@pytest.mark.parametrize("method", ["/recognition.v1.RecognitionService/Delete", "/other.Service/Classify", "/x"])
async def test_methods_that_do_not_exist_leave_no_trace(service: InProcess, method: str) -> None:
    """UNIMPLEMENTED, and no series of metrics that a caller could make."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = service.channel.unary_unary(method)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"")
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert service.sum("recognition_requests_total") == 0


def assert_no_message(service: InProcess, error: grpc.aio.AioRpcError, rpc: str) -> None:
    """A fault of the request, in our words and not in those of the parser; the call is counted like any other."""
    found = refusal(error)
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "ARGUMENT_INVALID")
    assert list(found.fields) == ["request"]
    assert "DecodeError" not in repr(error)
    assert service.sum("recognition_requests_total", rpc=rpc_label(rpc), code="INVALID_ARGUMENT") == 1
    assert service.inside == 0


@pytest.mark.parametrize("rpc", ["Classify", "ListModels"])
async def test_bytes_that_are_no_message_are_refused(service: InProcess, rpc: str) -> None:
    """They never reach the method."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = service.channel.unary_unary(f"{PREFIX}/{rpc}")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call(b"\xff" * 50)
    assert_no_message(service, refused.value, rpc)


async def test_bytes_that_are_no_message_end_a_stream(service: InProcess) -> None:
    """With the same error."""
    begin: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = service.channel.stream_stream(f"{PREFIX}/ClassifyStream")
    call = begin()
    await call.write(b"\xff" * 50)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert_no_message(service, refused.value, "ClassifyStream")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """GetModel and ClassifyStream give messages that are larger than any may be."""

    async def get_model(*_: Any) -> pb.GetModelResponse:
        return pb.GetModelResponse(model=pb.Model(name="x" * LARGEST))

    async def classify_stream(_: Any, requests: AsyncIterator[Any], *__: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield pb.ClassifyStreamResponse(id=request.id * LARGEST)

    monkeypatch.setattr(RecognitionServicer, "GetModel", get_model)
    monkeypatch.setattr(RecognitionServicer, "ClassifyStream", classify_stream)


@pytest.mark.usefixtures("large")
async def test_an_answer_that_is_too_large_is_no_success_at_either_door(models: Path) -> None:
    """Neither for its caller, who is told what to do, nor in the metrics; what was answered before it has arrived."""
    async with serving(models, max_message_bytes=LARGEST, fast_grpc_port=0) as service:
        for calls, port in enumerate((service.grpc_port, service.fast_grpc_port), 1):
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub: RecognitionServiceAsyncStub = RecognitionServiceStub(channel)
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.GetModel(pb.GetModelRequest())
                assert_too_large(refused.value)
                stream = stub.ClassifyStream()
                await stream.write(pb.ClassifyStreamRequest())
                assert await stream.read() == pb.ClassifyStreamResponse()
                await stream.write(pb.ClassifyStreamRequest(id="a"))
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stream.read()
                assert_too_large(refused.value)
            assert service.sum("recognition_requests_total", code="INVALID_ARGUMENT") == 2 * calls
        assert service.sum("recognition_rejected_total", reason="ANSWER_TOO_LARGE") == 4
        assert service.sum("recognition_requests_total", code="OK") == 0


def assert_too_large(error: grpc.aio.AioRpcError) -> None:
    found = refusal(error)
    assert (found.code, found.reason, list(found.fields)) == ("INVALID_ARGUMENT", "ANSWER_TOO_LARGE", ["request"])
    assert re.fullmatch(r"The answer has 10,0\d\d bytes; 10,000 are the most\..*", found.message)


@pytest.mark.parametrize(("remaining", "metadata"), [(None, "501"), (0.6, "501"), (0.5, "-1"), (0.0, "-1")])
def test_clients_are_told_when_to_come_back(remaining: float | None, metadata: str) -> None:
    """In whole milliseconds; never, where their time is up by then."""
    full = status_of(QueueFull("Full.", retry_seconds=0.5005))
    assert list(pushback(full, remaining)) == [("grpc-retry-pushback-ms", metadata)]


def test_nobody_else_is_told_when_to_come_back() -> None:
    """Other errors have no such time."""
    assert list(pushback(status_of(ModelNotFound("None.")), None)) == []
