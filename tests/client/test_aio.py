"""The asyncio client against a real server: what its blocking twin does, and what it does side by side."""

import asyncio
import inspect
import time
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client import (
    AsyncRecognitionClient,
    Classification,
    DeadlineExceeded,
    HealthStatus,
    ImageError,
    ImageRejected,
    ModelNotFound,
    Overloaded,
    RecognitionClient,
    ServerUnreachable,
)

from tests.client.fake_service import FakeService, RunningServer, serving, status

SLOW_SECONDS = 5.0
FULL = status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "The queue is full.", retry_seconds=2)
UNKNOWN_MODEL = status(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")


def labels(outcomes: list[Classification | ImageError]) -> list[str]:
    """The best label, or the reason where there is none."""
    return [o.reason if isinstance(o, ImageError) else o.predictions[0].label for o in outcomes]


def test_the_twins_have_the_same_methods() -> None:
    """With the same arguments; only the number of requests side by side is the asyncio client's own.

    What kinds of values the arguments take is left out: the asyncio client also waits for iterables.
    """

    def arguments(method: object) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(method).parameters  # type: ignore[arg-type] # a function of either client
        return {name: one.replace(annotation=one.empty) for name, one in parameters.items() if name != "concurrency"}

    for name, method in inspect.getmembers(RecognitionClient, inspect.isfunction):
        if name.startswith("_") and name != "__init__":
            continue
        assert arguments(getattr(AsyncRecognitionClient, name)) == arguments(method), name


async def test_one_image_is_classified(
    aio_client: AsyncRecognitionClient, service: FakeService, tmp_path: Path
) -> None:
    """From bytes or from a file; the request says all that was asked."""
    file = tmp_path / "shoe.png"
    file.write_bytes(b"shoe")
    for image in (b"shoe", file):
        result = await aio_client.classify(image, model="m", version=3, top_k=2)
        assert [p.label for p in result.predictions] == ["shoe", "second"]
    asked = pb.ClassifyRequest(
        model=pb.ModelSelector(name="m", version=3), image=b"shoe", options=pb.ClassifyOptions(top_k=2)
    )
    assert service.requests == [asked] * 2
    with pytest.raises(ImageRejected):
        await aio_client.classify(b"bad")


async def test_a_large_batch_comes_back_in_order(
    aio_client: AsyncRecognitionClient, service: FakeService, tmp_path: Path
) -> None:
    """Bad images in their places, whichever request was answered first."""
    images = [b"bad" if i % 7 == 0 else b"%d" % i for i in range(50)]
    found = await aio_client.batch_classify([*images, tmp_path], images_per_request=8)
    expected = ["IMAGE_UNREADABLE" if i % 7 == 0 else str(i) for i in range(50)]
    assert labels(found) == [*expected, "FILE_UNREADABLE"]
    assert sorted(service.batch_sizes) == [2, 8, 8, 8, 8, 8, 8]


async def test_requests_travel_side_by_side(aio_client: AsyncRecognitionClient, service: FakeService) -> None:
    """But no more of them than was allowed."""
    await aio_client.health()
    service.delay_seconds = 0.3
    await aio_client.batch_classify([b"a"] * 6, images_per_request=1, concurrency=3)
    assert 1 < service.most_at_once <= 3
    service.delay_seconds, service.most_at_once = 0.05, 0
    await aio_client.batch_classify([b"a"] * 4, images_per_request=1, concurrency=1)
    assert service.most_at_once == 1


async def test_a_server_with_lower_limits_gets_smaller_requests(
    aio_client: AsyncRecognitionClient, service: FakeService
) -> None:
    """A batch that is too large is halved until it is not."""
    service.max_images = 2
    assert labels(await aio_client.batch_classify([b"0", b"1", b"2", b"3", b"4"])) == ["0", "1", "2", "3", "4"]


async def test_an_image_too_large_for_the_server_harms_no_other() -> None:
    """Where gRPC itself refuses the message, that image alone fails."""
    server = RunningServer(FakeService(), options=[("grpc.max_receive_message_length", 1000)])
    async with AsyncRecognitionClient(server.target, max_attempts=1) as client:
        found = await client.batch_classify([b"a", bytes(2000)])
    server.stop()
    assert labels(found) == ["a", "IMAGE_TOO_LARGE"]


async def test_a_failed_request_ends_the_batch_with_its_own_exception(
    aio_client: AsyncRecognitionClient, service: FakeService
) -> None:
    """Not with a group of exceptions, and not after all the others."""
    service.delay_seconds = 0.1
    service.failures.extend([UNKNOWN_MODEL] * 40)
    with pytest.raises(ModelNotFound):
        await aio_client.batch_classify([b"a"] * 40, images_per_request=1)
    assert len(service.requests) < 20


async def test_wrong_numbers_are_refused(aio_client: AsyncRecognitionClient) -> None:
    """As a plain ValueError, as by the blocking client."""
    with pytest.raises(ValueError, match="concurrency"):
        await aio_client.batch_classify([b"a"], concurrency=0)
    with pytest.raises(ValueError, match="images_per_request"):
        await aio_client.batch_classify([b"a"], images_per_request=0)
    with pytest.raises(ValueError, match="timeout_seconds"):
        await aio_client.batch_classify([b"a"], timeout_seconds=-1.0)


async def test_a_cancelled_batch_stops(aio_client: AsyncRecognitionClient, service: FakeService) -> None:
    """What was not sent yet is not sent any more."""
    service.delay_seconds = 0.2
    task = asyncio.create_task(aio_client.batch_classify([b"a"] * 40, images_per_request=1, concurrency=2))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    seen = len(service.requests)
    await asyncio.sleep(0.5)
    assert len(service.requests) <= seen + 2


async def test_models_and_health(aio_client: AsyncRecognitionClient, service: FakeService) -> None:
    """All pages, one model, and the health of known and unknown names."""
    service.models = [pb.Model(name="m", version=version) for version in range(1, 6)]
    assert [model.version for model in await aio_client.list_models()] == [1, 2, 3, 4, 5]
    assert (await aio_client.get_model("m", version=4)).version == 4
    serving(service, "ill", well=False)
    assert [await aio_client.health(name) for name in ("", "ill", "other")] == [
        HealthStatus.SERVING,
        HealthStatus.NOT_SERVING,
        HealthStatus.SERVICE_UNKNOWN,
    ]


async def test_retries_happen_and_end(aio_client: AsyncRecognitionClient, service: FakeService) -> None:
    """Two refusals are overcome, also with a large image; twenty are not."""
    service.failures.extend([FULL] * 2)
    assert (await aio_client.classify(b"s" * 2**20)).predictions
    assert len(service.requests) == 3
    service.failures.extend([FULL] * 20)
    with pytest.raises(Overloaded) as caught:
        await aio_client.classify(b"shoe")
    assert len(service.requests) == 3 + 4
    assert caught.value.retry_after_seconds == 2.5


async def test_the_deadline_is_kept_and_the_server_sees_it(
    aio_client: AsyncRecognitionClient, service: FakeService
) -> None:
    """A slow answer is not waited for."""
    await aio_client.health()
    service.delay_seconds = SLOW_SECONDS
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await aio_client.classify(b"shoe", timeout_seconds=0.3)
    assert 0.25 < time.monotonic() - began < SLOW_SECONDS
    (left,) = service.seconds_left
    assert left is not None
    assert left < 0.35  # gRPC rounds up what it tells the server


async def test_where_nothing_listens_the_target_is_named(nobody: str) -> None:
    """As by the blocking client."""
    async with AsyncRecognitionClient(nobody) as client:
        with pytest.raises(ServerUnreachable, match=nobody):
            await client.health()


def test_a_client_may_be_made_before_the_loop_runs(target: str) -> None:
    """At the top of a module, say."""
    client = AsyncRecognitionClient(target)

    async def use() -> HealthStatus:
        async with client:
            return await client.health()

    assert asyncio.run(use()) is HealthStatus.SERVING
