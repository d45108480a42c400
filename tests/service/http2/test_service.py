"""The second gRPC door of a real service: the same methods, answers, errors, counts and farewell as at the first."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from service.api import door
from service.config import Settings
from service.ports import StartRefused, listen, listen_beside
from tests.service.api.house import classify
from tests.service.api.refusals import Refusal, refusal
from tests.service.in_process import InProcess, built, held, serving, until
from tests.service.packages import encode, picture

IMAGE = encode(picture(2))
SHUTTING_DOWN = "The server is shutting down; send the call to another one."


@pytest.fixture
async def fast(models: Path) -> AsyncIterator[tuple[InProcess, Any]]:
    """A service, and a stub at its second door."""
    async with (
        serving(models, fast_grpc_port=0) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.fast_grpc_port}") as channel,
    ):
        yield service, RecognitionServiceStub(channel)


async def test_answers_and_errors_are_the_same(fast: tuple[InProcess, Any]) -> None:
    """Details, metadata and words included; but for the times that calls took."""
    service, stub = fast

    async def outcome(at: Any, request: pb.ClassifyRequest) -> object:
        try:
            answer = await at.Classify(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            found: Refusal = refusal(error)
            return found, [key for key, _ in error.trailing_metadata()]
        answer.ClearField("times")
        return answer

    for request in (
        classify(IMAGE),
        classify(b"no image"),
        pb.ClassifyRequest(image=IMAGE, model=pb.ModelSelector(name="nothing")),
        pb.ClassifyRequest(image=IMAGE, options=pb.ClassifyOptions(top_k=-1)),
    ):
        assert await outcome(stub, request) == await outcome(service.stub, request)


async def test_streams_health_and_reflection_are_there_too(fast: tuple[InProcess, Any]) -> None:
    """Whatever is registered answers at both doors."""
    service, stub = fast
    stream = stub.ClassifyStream(timeout=60)
    for name in ("a", "b"):
        await stream.write(pb.ClassifyStreamRequest(id=name, image=IMAGE))
        assert (await stream.read()).id == name
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.fast_grpc_port}") as channel:
        ask: Any = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        listing = ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=60)
        (answer,) = [answer async for answer in listing]
        assert len(answer.list_services_response.service) == 4
        watch: Any = channel.unary_stream("/grpc.health.v1.Health/Watch")
        states = watch(b"", timeout=60)
        assert await states.read() == b"\x08\x01"
        states.cancel()


async def test_received_is_ended_plus_in_flight(fast: tuple[InProcess, Any]) -> None:
    """Whatever becomes of the calls: answered, refused, or given up."""
    service, stub = fast
    with held(service.live()) as release:
        good = [stub.Classify(classify(IMAGE)) for _ in range(3)]
        given_up = [stub.Classify(classify(IMAGE)) for _ in range(2)]
        bad = [stub.Classify(classify(b"no image")) for _ in range(2)]
        await asyncio.gather(*bad, return_exceptions=True)
        await service.until_inside(5)
        for call in given_up:
            call.cancel()
        await service.until_inside(3)
        assert service.sum("recognition_ended_total") + service.inside == service.sum("recognition_received_total") == 7
        release.set()
        await asyncio.gather(*good)
    await service.until_inside(0)
    outcomes = {"answered": 3, "refused": 2, "cancelled": 2, "failed": 0}
    assert {outcome: service.sum("recognition_ended_total", outcome=outcome) for outcome in outcomes} == outcomes


async def test_every_accepted_call_is_answered_when_a_stop_comes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that never pause get answers until they are told to go elsewhere, and nothing else."""
    answered: list[str] = []

    async def flow(stub: Any) -> tuple[str, str]:
        while True:
            try:
                response = await stub.Classify(classify(IMAGE))
            except grpc.aio.AioRpcError as error:
                return error.code().name, error.details() or ""
            answered.append(response.classification.predictions[0].label)

    monkeypatch.setattr(door, "QUIET_SECONDS", 1.0)  # nobody who was slow to ask may find the port closed
    async with (
        built(models, fast_grpc_port=0, drain_seconds=0.2) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.fast_grpc_port}") as channel,
    ):
        await service.server.start()
        callers = [asyncio.create_task(flow(RecognitionServiceStub(channel))) for _ in range(8)]
        await until(lambda: len(answered) >= 50)
        before = len(answered)
        await service.server.shut_down()
        assert set(await asyncio.gather(*callers)) == {("UNAVAILABLE", SHUTTING_DOWN)}
    assert len(answered) > before, "calls are still taken during the drain period"
    (totals,) = service.events("stopped")
    assert (totals["answered"], totals["ended"]) == (len(answered), len(answered) + len(callers))


async def test_there_is_none_unless_it_is_asked_for(service: InProcess) -> None:
    assert service.events("ports bound")[0]["fast_grpc_port"] is None


def test_a_taken_port_is_named_and_nothing_is_left_open() -> None:
    """With the option that chooses another."""
    with listen("127.0.0.1", 0) as taken:
        settings = Settings(metrics_port=0, http_port=0, fast_grpc_port=taken.getsockname()[1])
        with pytest.raises(StartRefused, match="--fast-grpc-port"):
            listen_beside(settings)


def _has_ipv6() -> bool:
    try:
        listen("::1", 0).close()
    except StartRefused:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 here")
async def test_it_is_reached_over_ipv6_too(models: Path) -> None:
    """As the first is."""
    async with serving(models, host="::1", fast_grpc_port=0) as service:
        for port in (service.grpc_port, service.fast_grpc_port):
            async with grpc.aio.insecure_channel(f"ipv6:[::1]:{port}") as channel:
                stub: Any = RecognitionServiceStub(channel)
                answer = await stub.Classify(classify(IMAGE), timeout=60)
                assert answer.classification.predictions[0].label == "right"
