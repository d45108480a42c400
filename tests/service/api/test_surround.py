"""What surrounds every gRPC call, at a real server: refusals become statuses, faults tell nothing, others pass by."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb

from service.api.errors import status_of
from service.api.recognition import RecognitionServicer
from service.api.surround import pushback
from service.errors import ModelNotFound, QueueFull
from service.metrics import rpc_label
from tests.service.api.refusals import refusal
from tests.service.in_process import InProcess
from tests.service.packages import encode, picture

PREFIX = "/recognition.v1.RecognitionService"
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


@pytest.mark.parametrize(("remaining", "metadata"), [(None, "501"), (0.6, "501"), (0.5, "-1"), (0.0, "-1")])
def test_clients_are_told_when_to_come_back(remaining: float | None, metadata: str) -> None:
    """In whole milliseconds; never, where their time is up by then."""
    full = status_of(QueueFull("Full.", retry_seconds=0.5005))
    assert list(pushback(full, remaining)) == [("grpc-retry-pushback-ms", metadata)]


def test_nobody_else_is_told_when_to_come_back() -> None:
    """Other errors have no such time."""
    assert list(pushback(status_of(ModelNotFound("None.")), None)) == []
