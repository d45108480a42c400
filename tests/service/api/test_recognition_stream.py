"""ClassifyStream at a real server: every id is answered, errors stay with their image, the sender is held back."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb

from tests.service.api.refusals import refusal, refusal_of
from tests.service.in_process import SECONDS, InProcess, held, serving, until
from tests.service.packages import LABELS, PackageRecipe, encode, picture

THIRDS = pb.ModelSelector(name="thirds")


def tasks() -> set["asyncio.Task[Any]"]:
    return {task for task in asyncio.all_tasks() if "answers_as_ready" in repr(task.get_coro())}


async def answers(service: InProcess, requests: Iterable[pb.ClassifyStreamRequest]) -> dict[str, Any]:
    """Sends all of them; the answers by their ids."""
    found = [answer async for answer in service.stub.ClassifyStream(iter(requests), timeout=SECONDS)]
    assert len({answer.id for answer in found}) == len(found)
    return {answer.id: answer for answer in found}


async def error_of(service: InProcess, *requests: pb.ClassifyStreamRequest) -> grpc.aio.AioRpcError:
    """What the stream ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await answers(service, requests)
    return refused.value


def best(answer: pb.ClassifyStreamResponse) -> str:
    return answer.result.classification.predictions[0].label


async def test_every_id_is_answered(service: InProcess) -> None:
    """Once, with what belongs to it, and with the model that answered."""
    pictures = [encode(picture(place)) for place in range(3)]
    found = await answers(service, (pb.ClassifyStreamRequest(id=str(i), image=pictures[i % 3]) for i in range(300)))
    assert {id_: best(answer) for id_, answer in found.items()} == {str(i): LABELS[i % 3] for i in range(300)}
    assert all(answer.model.digest == service.live().digest for answer in found.values())
    assert all(answer.times.batch_size >= 1 for answer in found.values())
    assert service.sum("recognition_images_total", outcome="ok") == 300


async def test_an_answer_comes_before_the_next_request(service: InProcess, image: bytes) -> None:
    """A caller may take turns; nothing waits for the end of the stream."""
    call = service.stub.ClassifyStream(timeout=SECONDS)
    for id_ in ("a", "b", ""):
        await call.write(pb.ClassifyStreamRequest(id=id_, image=image))
        answer = await call.read()
        assert isinstance(answer, pb.ClassifyStreamResponse)
        assert (answer.id, best(answer)) == (id_, "right")
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_a_bad_image_has_an_error_of_its_own(service: InProcess, image: bytes) -> None:
    """The others are answered, and the stream ends well."""
    images = {"good": image, "text": b"text", "empty": b"", "tiff": b"II*\x00", "also good": image}
    found = await answers(service, (pb.ClassifyStreamRequest(id=id_, image=data) for id_, data in images.items()))
    reasons = {id_: refusal_of(found[id_].result.error).reason for id_ in ("text", "empty", "tiff")}
    assert reasons == {"text": "IMAGE_UNREADABLE", "empty": "IMAGE_UNREADABLE", "tiff": "IMAGE_UNSUPPORTED"}
    assert best(found["good"]) == best(found["also good"]) == "right"
    assert service.sum("recognition_images_total", outcome="error") == 3


async def test_model_and_options_hold_until_others_are_named(models: Path, image: bytes) -> None:
    """Each message stands in for the fields that it leaves out by those of the one before it."""
    PackageRecipe(name="other").write(models)
    async with serving(models) as service:
        one, all_of_them = pb.ClassifyOptions(top_k=1), pb.ClassifyOptions(top_k=3, min_confidence=1.0)
        found = await answers(
            service,
            [
                pb.ClassifyStreamRequest(id="1", image=image, model=THIRDS, options=one),
                pb.ClassifyStreamRequest(id="2", image=image),
                pb.ClassifyStreamRequest(id="3", image=image, model=pb.ModelSelector(name="other")),
                pb.ClassifyStreamRequest(id="4", image=image, options=all_of_them),
                pb.ClassifyStreamRequest(id="5", image=image),
            ],
        )
    assert [found[id_].model.name for id_ in "12345"] == ["thirds", "thirds", "other", "other", "other"]
    assert [len(found[id_].result.classification.predictions) for id_ in "12345"] == [1, 1, 1, 3, 3]
    assert [found[id_].result.classification.unknown for id_ in "12345"] == [False, False, False, True, True]


@pytest.mark.parametrize("copies", [1, 3])
async def test_a_model_that_is_not_there_ends_the_stream(service: InProcess, image: bytes, copies: int) -> None:
    """With the error that Classify gives, however many images ask for it at once; nothing stays behind."""
    nobody = pb.ClassifyStreamRequest(image=image, model=pb.ModelSelector(name="nobody"))
    found = refusal(await error_of(service, *[nobody] * copies))
    assert (found.code, found.reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")
    await service.until_inside(0)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ClassifyStreamRequest(id="é" * 129), "id"),
        (pb.ClassifyStreamRequest(options=pb.ClassifyOptions(top_k=-1)), "options.top_k"),
    ],
)
async def test_a_request_that_means_nothing_ends_the_stream(
    service: InProcess, request_: pb.ClassifyStreamRequest, field: str
) -> None:
    """By the name of its field."""
    found = refusal(await error_of(service, request_))
    assert (found.code, list(found.fields)) == ("INVALID_ARGUMENT", [field])


async def test_the_longest_id_comes_back(service: InProcess, image: bytes) -> None:
    """256 bytes of UTF-8."""
    longest = "é" * 128
    assert list(await answers(service, [pb.ClassifyStreamRequest(id=longest, image=image)])) == [longest]


async def test_a_fast_sender_is_held_back(models: Path, image: bytes) -> None:
    """No more are at work than one request may bring, and all are answered in the end."""
    async with serving(models, max_request_images=4) as service:
        live = service.live()
        with held(live) as release:
            call = service.stub.ClassifyStream(timeout=SECONDS)
            for i in range(50):
                await call.write(pb.ClassifyStreamRequest(id=str(i), image=image))
            await call.done_writing()
            await until(lambda: live.batcher.waiting == 3)  # the fourth is in the session
            await service.stub.ListModels(pb.ListModelsRequest())  # a round trip, in which more could be read
            assert live.batcher.waiting == 3
            release.set()
        assert len({answer.id async for answer in call}) == 50


async def test_a_full_queue_holds_the_sender_back_and_refuses_nothing(models: Path, image: bytes) -> None:
    """Where Classify is told QUEUE_FULL, a stream waits for its place."""
    async with serving(models, max_queue_images=1, max_batch_size=1, max_request_images=16) as service:
        found = await answers(service, (pb.ClassifyStreamRequest(id=str(i), image=image) for i in range(32)))
    assert {best(answer) for answer in found.values()} == {"right"}
    assert len(found) == 32


@pytest.mark.parametrize("read_first", [0, 1, 5])
async def test_a_caller_that_hangs_up_leaves_nothing_behind(service: InProcess, image: bytes, read_first: int) -> None:
    """Neither a task nor a call that counts as being worked on; others are answered as before."""
    requests = (pb.ClassifyStreamRequest(id=str(i), image=image) for i in range(1000))
    call = service.stub.ClassifyStream(requests)
    if read_first == 0:
        await service.until_inside(1)
    for _ in range(read_first):
        await call.read()
    call.cancel()
    await service.until_inside(0)
    await until(lambda: not tasks() and service.live().batcher.waiting == 0)
    assert service.sum("recognition_requests_total", rpc="ClassifyStream", code="CANCELLED") == 1
    assert (await service.stub.Classify(pb.ClassifyRequest(image=image))).model.name == "thirds"


async def test_a_stream_of_nothing_ends_well(service: InProcess) -> None:
    """With no answers."""
    assert await answers(service, []) == {}
