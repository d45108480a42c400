"""Small files of callers in no hurry (service/engine/bulk.py): decoded and computed in one go, same answers."""

import asyncio
import io
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from service.engine.answers import Answers
from service.engine.batch_item import Computed
from service.engine.batcher import Batcher, BatchPolicy, Tensor, Work
from service.engine.bulk import SMALL_BYTES, SMALL_PIXELS
from service.engine.decode import ImageLimits
from service.engine.pipeline import Classifier
from service.engine.priority import Priority
from service.engine.response_cache import ResponseCache
from service.engine.session import Outputs
from service.errors import (
    DeadlineUnreachable,
    DeviceExhausted,
    ImageUnreadable,
    InferenceFailed,
    QueueFull,
    ServiceError,
    ShuttingDown,
)
from service.models.manifest import Calibration, InputSpec, PixelFormat
from tests.service.engine.fake_session import wait_until_queued
from tests.service.packages import encode

if TYPE_CHECKING:
    from service.engine.batch_queue import BatchReport

SPEC = InputSpec(pixel_format=PixelFormat.GRAY8, height=2, width=3, mean=(0.0,), std=(1.0,))
QUICK = 4
"""Images that a batch of `COSTS` may have."""
COSTS = {size: 0.0012 * size for size in (1, 2, 4, 8)}


def file(value: int) -> bytes:
    return encode(np.full((5, 4), value, dtype=np.uint8))


class Subject:
    """A classifier on a session that notes whose batches it computes, and how large they are."""

    def __init__(self, policy: BatchPolicy, costs: dict[int, float]) -> None:
        self.works: list[int] = []
        self.sizes: list[int] = []
        self.reports: list[BatchReport] = []
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.workers = ThreadPoolExecutor(2)
        self.batcher = Batcher(self._run, policy, work=self._work, observe=self.reports.append)
        self.batcher.expect(costs)
        self.classifier = Classifier(
            spec=SPEC,
            labels=("bright", "dark"),
            calibration=Calibration(temperature=100.0),
            limits=ImageLimits(),
            batcher=self.batcher,
            workers=self.workers,
        )

    async def ask(
        self, images: list[bytes], priority: Priority = Priority.LOW, deadline: float | None = None
    ) -> Answers:
        return await self.classifier.classify_many(images, top_k=1, priority=priority, deadline=deadline)

    async def _run(self, images: Tensor) -> Outputs:
        await self.gate.wait()
        return self._outputs(images)

    async def _work(self, work: Work) -> Computed[Outputs]:
        await self.gate.wait()
        self.works.append(len(self.sizes))
        return await asyncio.to_thread(work, self._outputs)

    def _outputs(self, images: Tensor) -> Outputs:
        if self.fails:
            raise RuntimeError("the session failed")
        self.sizes.append(len(images))
        values = images[:, 0, 0, 0].astype(np.float32)
        return Outputs(logits=np.stack([values, -values], axis=1), embeddings=values[:, np.newaxis])


async def started(policy: BatchPolicy | None = None, costs: dict[int, float] | None = None) -> Subject:
    subject = Subject(policy or BatchPolicy(max_batch_size=8, lanes=2), costs or COSTS)
    await subject.batcher.start()
    return subject


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    subject = await started()
    yield subject
    subject.gate.set()
    await subject.batcher.drain()
    subject.workers.shutdown()


def outline(answers: Answers) -> list[float | type[ServiceError]]:
    rows = iter(answers.ranked.probabilities[:, 0].tolist())
    errors = answers.computed.errors
    return [type(errors[place]) if place in errors else next(rows) for place in range(answers.computed.count)]


async def test_the_answers_are_those_of_the_other_way(subject: Subject) -> None:
    """In order, and with a bad image alone."""
    images = [file(value) for value in range(1, 31)]
    images[7] = images[3][:-20]
    other = outline(await subject.ask(images, Priority.NORMAL))
    assert not subject.works
    assert outline(await subject.ask(images)) == other
    assert subject.works
    assert [place for place, found in enumerate(other) if found is ImageUnreadable] == [7]
    embedded = await subject.classifier.embed_many(images, priority=Priority.LOW)
    assert len(embedded) == 30


async def test_batches_are_no_larger_than_others_would_wait_for(subject: Subject) -> None:
    """Twice as many are handed over at a time; reports and times name the batches."""
    answers = await subject.ask([file(value) for value in range(20)])
    assert len(subject.works) == 3  # 8, 8 and 4
    assert max(subject.sizes) == QUICK
    assert {report.size for report in subject.reports} == {QUICK}
    assert len(answers.computed) == 20
    assert all(report.inference_seconds < 10 for report in subject.reports)


@pytest.mark.parametrize("bad", [b"no image", b""])
async def test_nothing_that_can_be_decoded(subject: Subject, bad: bytes) -> None:
    """Files that are cut short behind their header."""
    cut = file(9)[:40]
    answers = await subject.ask([cut] * 10)
    assert outline(answers) == [ImageUnreadable] * 10
    assert subject.works
    assert outline(await subject.ask([bad, file(1)]))[0] is ImageUnreadable


def large_picture() -> bytes:
    """Few bytes, many pixels."""
    return encode(np.zeros((SMALL_PIXELS // 256 + 1, 256), dtype=np.uint8))


def photograph() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("other", [file(1) + bytes(SMALL_BYTES), large_picture(), photograph(), b"no image"])
async def test_what_may_take_long_is_left_to_the_decoders(subject: Subject, other: bytes) -> None:
    """With all of its request."""
    answers = await subject.ask([*map(file, range(5)), other])
    assert len(answers.computed) >= 5
    assert not subject.works


async def test_slow_models_and_kept_outputs_go_the_other_way(subject: Subject) -> None:
    images = [file(value) for value in range(10)]
    slow = await started(costs={1: 0.05, 8: 0.4})
    assert len((await slow.ask(images)).computed) == 10
    assert not slow.works
    await slow.batcher.drain()
    slow.workers.shutdown()
    subject.classifier.remember_in(ResponseCache(2**20).part_of("model", digest="0", precision="fp32"))
    assert len((await subject.ask(images)).computed) == 10
    assert not subject.works


async def test_whoever_waits_for_an_answer_goes_first(subject: Subject) -> None:
    """Files that wait are in the queue, and their priority counts there before anything is decoded."""
    subject.gate.clear()
    bulk = asyncio.create_task(subject.ask([file(value) for value in range(40)]))
    await wait_until_queued(subject.batcher, 24)  # two threads have the others
    urgent = asyncio.create_task(subject.ask([file(99)], Priority.HIGH))
    await wait_until_queued(subject.batcher, 25)
    subject.gate.set()
    assert len((await urgent).computed) == 1
    assert len((await bulk).computed) == 40
    urgent_report = next(place for place, report in enumerate(subject.reports) if report.size == 1)
    assert urgent_report <= 2


async def test_a_failing_session_is_an_error_for_each_image(subject: Subject) -> None:
    subject.fails = True
    assert outline(await subject.ask([file(1), file(2)])) == [InferenceFailed] * 2
    subject.fails = False
    assert len((await subject.ask([file(1), file(2)])).computed) == 2


async def test_without_room_as_many_are_answered_as_there_is_room_for() -> None:
    subject = await started(BatchPolicy(max_batch_size=8, max_queue_images=10))
    subject.gate.clear()
    first = asyncio.create_task(subject.ask([file(value) for value in range(8)]))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(subject.ask([file(value) for value in range(24)]))
    await wait_until_queued(subject.batcher, 10)
    subject.gate.set()
    assert len((await first).computed) == 8
    found = outline(await second)
    assert 0 < found.count(QueueFull) < 24
    await subject.batcher.drain()
    subject.workers.shutdown()


@pytest.mark.parametrize("error", [DeviceExhausted("no memory"), DeadlineUnreachable("too many wait")])
async def test_what_has_no_place_in_one_go_is_tried_in_pieces(
    subject: Subject, error: ServiceError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A smaller batch may have memory, and some of the images time."""

    async def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subject.batcher, "submit_work", refuse)
    images = [file(value) for value in range(1, 9)]
    assert outline(await subject.ask(images)) == outline(await subject.ask(images, Priority.NORMAL))
    assert subject.sizes


async def test_no_time_and_the_end_are_told(subject: Subject) -> None:
    loop = asyncio.get_running_loop()
    late = await subject.ask([file(1), file(2)], deadline=loop.time() - 1)
    assert outline(late) == [DeadlineUnreachable] * 2
    await subject.batcher.drain()
    assert outline(await subject.ask([file(1), file(2)])) == [ShuttingDown] * 2
    assert not subject.works
