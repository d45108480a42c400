"""ClassifyStream of recognition.v1 at a real server: every id answered, errors of single images, and early ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from service.engine.batch_costs import BatchCosts
from service.models.registry import Registry
from tests.service.api.house import THIRDS
from tests.service.api.refusals import refusal, refusal_of
from tests.service.in_process import SECONDS, InProcess, held, serving, until, until_at_work
from tests.service.packages import LABELS, encode, picture

IMAGES = [encode(picture(place)) for place in range(3)]


def request(number: int, image: bytes | None = None) -> pb.ClassifyStreamRequest:
    return pb.ClassifyStreamRequest(id=str(number), image=IMAGES[number % 3] if image is None else image)


async def answers(service: InProcess, requests: Iterable[pb.ClassifyStreamRequest]) -> list[pb.ClassifyStreamResponse]:
    return [answer async for answer in service.stub.ClassifyStream(iter(requests))]


async def ends_with(service: InProcess, *requests: pb.ClassifyStreamRequest) -> tuple[str, str]:
    """(code, reason) of the error that ends a stream of these.

    The blocking client asks: that of asyncio, while it is still writing, may tell an error of its own instead.
    """

    def ask() -> grpc.RpcError:
        with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
            call = RecognitionServiceStub(channel).ClassifyStream(iter(requests), timeout=SECONDS)
            with pytest.raises(grpc.RpcError) as error:
                list(call)
        return error.value

    found = refusal(await asyncio.to_thread(ask))
    return found.code, found.reason


def others() -> set["asyncio.Task[object]"]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_every_id_is_answered_once_with_its_own_answer(service: InProcess) -> None:
    """Hundreds at a time: no answer goes to another's id."""
    got = await answers(service, map(request, range(300)))
    assert sorted(int(answer.id) for answer in got) == list(range(300))
    for answer in got:
        assert answer.result.classification.predictions[0].label == LABELS[int(answer.id) % 3]
        assert answer.model.digest == service.live().digest
        assert answer.times.batch_size >= 1
    assert service.sum("recognition_images_total", outcome="ok") == 300
    assert service.sum("recognition_requests_total", rpc="ClassifyStream", code="OK") == 1


async def test_a_caller_may_take_turns(service: InProcess) -> None:
    """Each answer comes before the next request; an empty id is one, and so are 256 bytes."""
    call = service.stub.ClassifyStream(timeout=SECONDS)
    for id_ in ("a", "", "é" * 128):
        await call.write(pb.ClassifyStreamRequest(id=id_, image=IMAGES[0]))
        answer = await call.read()
        assert isinstance(answer, pb.ClassifyStreamResponse)
        assert answer.id == id_
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_stream_of_nothing_ends_well(service: InProcess) -> None:
    """With no answers."""
    assert await answers(service, []) == []


async def test_a_bad_image_has_only_its_own_error(service: InProcess) -> None:
    """The others are answered, and the stream ends well."""
    got = await answers(service, [request(0), request(1, b"no image"), request(2), request(3, b"")])
    failed = {answer.id: refusal_of(answer.result.error) for answer in got if answer.result.HasField("error")}
    assert {key: (found.code, found.reason) for key, found in failed.items()} == {
        "1": ("INVALID_ARGUMENT", "IMAGE_UNREADABLE"),
        "3": ("INVALID_ARGUMENT", "IMAGE_UNREADABLE"),
    }
    assert {answer.id for answer in got} == {"0", "1", "2", "3"}
    assert service.sum("recognition_images_total", outcome="error") == 2


async def test_model_and_options_stand_until_others_are_named(service: InProcess) -> None:
    """As the comment of each field says."""
    one = pb.ClassifyStreamRequest(id="0", image=IMAGES[0], model=THIRDS, options=pb.ClassifyOptions(top_k=1))
    three = pb.ClassifyStreamRequest(id="2", image=IMAGES[2], options=pb.ClassifyOptions(top_k=3))
    got = {answer.id: answer for answer in await answers(service, [one, request(1), three, request(3)])}
    assert [len(got[str(number)].result.classification.predictions) for number in range(4)] == [1, 1, 3, 3]


async def test_what_is_wrong_with_one_message_is_its_own_error(service: InProcess) -> None:
    """An unknown model, options that mean nothing, an endless id: the others are answered, the stream ends well."""
    wrong = [
        pb.ClassifyStreamRequest(id="a", image=IMAGES[0], model=pb.ModelSelector(name="nobody")),
        pb.ClassifyStreamRequest(id="b", image=IMAGES[0], model=THIRDS, options=pb.ClassifyOptions(top_k=-1)),
        pb.ClassifyStreamRequest(id="c" * 257, image=IMAGES[0], options=pb.ClassifyOptions()),
        pb.ClassifyStreamRequest(id="d", image=IMAGES[0], model=pb.ModelSelector(precision="int3")),
    ]
    last = pb.ClassifyStreamRequest(id="1", image=IMAGES[1], model=THIRDS, options=pb.ClassifyOptions())
    got = await answers(service, [request(0), *wrong, last])
    failed = {answer.id: refusal_of(answer.result.error) for answer in got if answer.result.HasField("error")}
    assert {key: (found.code, found.reason) for key, found in failed.items()} == {
        "a": ("NOT_FOUND", "MODEL_NOT_FOUND"),
        "b": ("INVALID_ARGUMENT", "ARGUMENT_INVALID"),
        "c" * 257: ("INVALID_ARGUMENT", "ARGUMENT_INVALID"),
        "d": ("INVALID_ARGUMENT", "ARGUMENT_INVALID"),
    }
    assert {answer.id for answer in got} - set(failed) == {"0", "1"}
    assert service.sum("recognition_images_total", outcome="error") == 4
    assert service.sum("recognition_rejected_total", reason="ARGUMENT_INVALID") == 3
    assert service.sum("recognition_requests_total", rpc="ClassifyStream", code="OK") == 1


async def test_a_message_that_is_none_ends_the_stream(service: InProcess) -> None:
    """It has no id that could be answered."""

    def ask() -> grpc.RpcError:
        with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
            stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
                "/recognition.v1.RecognitionService/ClassifyStream"
            )
            call = stream(iter([b"\xff"]), timeout=SECONDS)
            with pytest.raises(grpc.RpcError) as error:
                list(call)
        return error.value

    assert refusal(await asyncio.to_thread(ask)).reason == "ARGUMENT_INVALID"


async def test_no_more_are_at_work_than_one_request_may_bring(models: Path) -> None:
    """One is computed, the others of the limit wait; what was sent besides is not even read."""
    async with serving(models, max_request_images=4, max_batch_size=1) as service:
        live = service.live()
        with held(live) as release:
            call = service.stub.ClassifyStream(map(request, range(50)), timeout=SECONDS)
            await until(lambda: live.batcher.waiting == 3)
            await service.stub.ListModels(pb.ListModelsRequest())  # a round trip, in which more could be read
            assert live.batcher.waiting == 3
            release.set()
        assert len({answer.id async for answer in call}) == 50


async def test_a_fast_sender_is_held_back_and_never_refused(models: Path) -> None:
    """While nothing is computed it comes to a stand, though the queue is short; afterwards all are answered."""
    asked: list[int] = []

    async def sender() -> AsyncIterator[pb.ClassifyStreamRequest]:
        for number in range(300):
            asked.append(number)
            yield request(number, big)

    big = IMAGES[0] + bytes(100_000)  # the transport's own buffers are megabytes
    async with serving(models, max_request_images=4, max_queue_images=1) as service:
        with held(service.live()) as release:
            got: list[str] = []
            call = service.stub.ClassifyStream(sender())
            reader = asyncio.create_task(collect(call, got))
            await until_at_work(service.live())
            seen = -1
            while seen < len(asked):  # until the sender stands still
                seen = len(asked)
                await asyncio.sleep(0.1)
            assert len(asked) < 200
            assert got == []
            release.set()
            await reader
        assert sorted(map(int, got)) == list(range(300))
        assert service.sum("recognition_rejected_total") == 0


@pytest.mark.parametrize(
    ("most_waiting", "refused"),
    [(64, ("DEADLINE_EXCEEDED", "DEADLINE_UNREACHABLE")), (1, ("RESOURCE_EXHAUSTED", "QUEUE_FULL"))],
)
async def test_an_image_without_time_is_refused_alone(
    models: Path, monkeypatch: pytest.MonkeyPatch, most_waiting: int, refused: tuple[str, str]
) -> None:
    """What could not be answered within the stream's deadline, or would have to wait until then for room in the queue:
    at once, and the images before and after it are answered.
    """
    async with serving(models, max_queue_images=most_waiting) as service:
        call = service.stub.ClassifyStream(timeout=SECONDS)
        with held(service.live()) as release:
            await call.write(request(0))
            await until_at_work(service.live())
            if most_waiting == 1:
                await call.write(request(1))
                await until(lambda: service.live().batcher.waiting == 1)
            with monkeypatch.context() as slow:
                slow.setattr(BatchCosts, "load", 1e9)  # times as slow as was measured
                await call.write(request(2))
                answer = await call.read()
            release.set()
            assert isinstance(answer, pb.ClassifyStreamResponse)
            found = refusal_of(answer.result.error)
            assert (answer.id, found.code, found.reason) == ("2", *refused)
            assert (found.retry_seconds is None) is (found.code == "DEADLINE_EXCEEDED")
        await call.write(request(3))
        await call.done_writing()
        others = {"0", "3"} if most_waiting > 1 else {"0", "1", "3"}
        assert {await answered_id(call) for _ in others} == others
        assert await call.read() is grpc.aio.EOF
        assert service.sum("recognition_rejected_total") == 1


async def answered_id(call: "grpc.aio.StreamStreamCall[pb.ClassifyStreamRequest, pb.ClassifyStreamResponse]") -> str:
    answer = await call.read()
    assert isinstance(answer, pb.ClassifyStreamResponse)
    assert answer.result.HasField("classification")
    return answer.id


async def collect(
    call: "grpc.aio.StreamStreamCall[pb.ClassifyStreamRequest, pb.ClassifyStreamResponse]", into: list[str]
) -> None:
    async for answer in call:
        assert answer.result.HasField("classification")
        into.append(answer.id)


@pytest.mark.parametrize("when", ["while it is computed", "between two answers"])
async def test_a_stream_that_is_given_up_leaves_nothing(service: InProcess, when: str) -> None:
    """No task stays, the call is counted as cancelled, and others are answered."""

    async def endless() -> AsyncIterator[pb.ClassifyStreamRequest]:
        number = 0
        while True:
            yield request(number)
            number += 1

    await answers(service, [request(0)])
    before = len(others())
    call = service.stub.ClassifyStream(endless())
    if when == "between two answers":
        await anext(aiter(call))
        call.cancel()
    else:
        with held(service.live()):
            await until_at_work(service.live())
            call.cancel()
            await until(lambda: service.inside == 0)
    await until(lambda: service.inside == 0)
    await until(lambda: len(others()) <= before)
    assert service.sum("recognition_requests_total", rpc="ClassifyStream", code="CANCELLED") == 1
    assert (await service.stub.Classify(pb.ClassifyRequest(image=IMAGES[1]))).model.name == "thirds"


async def test_a_fault_ends_the_stream_without_a_word_of_it(
    service: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INTERNAL and an id, also where it happens in the middle of several images."""
    choose: Callable[..., object] = Registry.choose

    def faulty(registry: Registry, name: str, **selector: object) -> object:
        if name == "faulty":
            raise RuntimeError("secret words")
        return choose(registry, name, **selector)

    monkeypatch.setattr(Registry, "choose", faulty)
    bad = pb.ClassifyStreamRequest(id="1", image=IMAGES[0], model=pb.ModelSelector(name="faulty"))
    assert await ends_with(service, request(0), bad, request(2)) == ("INTERNAL", "INTERNAL")
    assert len(service.events("call failed")) == 1
