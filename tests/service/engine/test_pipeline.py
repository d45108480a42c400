"""The way of one image and of many: order, bad ones among good ones, the clock on each stage, thresholds."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from service.engine.answers import Answer, Answers, Embedded
from service.engine.batcher import Batcher, BatchPolicy
from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decoded import Decoded, Target, Tensors
from service.engine.decoders import InThread
from service.engine.jpeg import Pixels
from service.engine.pipeline import SMALL_BYTES, Classifier
from service.engine.prepared import Prepared
from service.engine.priority import Priority
from service.engine.response_cache import ResponseCache
from service.engine.times import Stage
from service.errors import (
    DeadlineUnreachable,
    ImageTooLarge,
    ImageUnreadable,
    InferenceFailed,
    QueueFull,
    ServiceError,
    ShuttingDown,
)
from service.models.manifest import Calibration, InputSpec, PixelFormat
from tests.service.engine.fake_session import FakeSession, wait_until_queued
from tests.service.packages import encode

SPEC = InputSpec(pixel_format=PixelFormat.GRAY8, height=2, width=3, mean=(0.0,), std=(1.0,))
LABELS = ("bright", "dark")
TEMPERATURE = 100.0


def file(value: int) -> bytes:
    """An encoded picture of one colour, of another size than the model's input."""
    return encode(np.full((5, 4), value, dtype=np.uint8))


def share(value: int) -> float:
    """The probability of `bright` for that colour: the logits are (value, -value)."""
    return float(1 / (1 + np.exp(-2 * value / TEMPERATURE)))


class Subject:
    """A classifier on a fake session; remembers the stages it was told of."""

    def __init__(
        self, *, policy: BatchPolicy, calibration: Calibration, chunk_images: int = 4, decode: Decode = decode
    ) -> None:
        self.session = FakeSession()
        self.stages: list[tuple[Stage, float]] = []
        self.workers = ThreadPoolExecutor(max_workers=2)
        self.batcher = Batcher(self.session.run, policy)
        self.classifier = Classifier(
            spec=SPEC,
            labels=LABELS,
            calibration=calibration,
            limits=ImageLimits(max_side=100),
            batcher=self.batcher,
            workers=self.workers,
            chunk_images=chunk_images,
            decoders=InThread(ImageLimits(max_side=100), decode=decode),
            observe=lambda stage, seconds: self.stages.extend((stage, one) for one in seconds),
        )

    async def stop(self) -> None:
        self.session.gate.set()
        await self.batcher.drain()
        self.workers.shutdown()


async def started(policy: BatchPolicy | None = None, *, unknown_threshold: float | None = None) -> Subject:
    calibration = Calibration(temperature=TEMPERATURE, unknown_threshold=unknown_threshold)
    subject = Subject(policy=policy or BatchPolicy(), calibration=calibration)
    await subject.batcher.start()
    return subject


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    subject = await started()
    yield subject
    await subject.stop()


@pytest.fixture
async def doubtful() -> AsyncIterator[Subject]:
    """A model that marks answers below 0.8 as unknown."""
    subject = await started(unknown_threshold=0.8)
    yield subject
    await subject.stop()


@pytest.fixture
async def narrow() -> AsyncIterator[Subject]:
    """One image a batch, two in the queue."""
    subject = await started(BatchPolicy(max_batch_size=1, max_queue_images=2))
    yield subject
    await subject.stop()


def outline(results: Answers) -> list[float | type[ServiceError]]:
    """Of each image the probability of `bright`, or what went wrong."""
    return [
        type(result) if isinstance(result, ServiceError) else round(result.classification.predictions[0].probability, 6)
        for result in results.each()
    ]


async def test_one_image_is_classified(subject: Subject) -> None:
    """Decoded, resized, computed, calibrated and ranked."""
    answer = await subject.classifier.classify(file(50), top_k=2)
    best, other = answer.classification.predictions
    assert (best.label, best.index, other.label, other.index) == ("bright", 0, "dark", 1)
    assert best.probability == pytest.approx(share(50))
    assert other.probability == pytest.approx(1 - share(50))
    assert not answer.classification.unknown


async def test_many_images_are_answered_in_order(subject: Subject) -> None:
    """Over several chunks and workers, the third answer is that of the third image."""
    values = [int(value) for value in np.random.default_rng(3).permutation(50)]
    results = await subject.classifier.classify_many([file(value) for value in values], top_k=1)
    assert outline(results) == [round(share(value), 6) for value in values]
    assert sorted(value for batch in subject.session.batches for value in batch) == sorted(values)


@pytest.mark.parametrize("bad", [0, 3, 4, 10])
async def test_a_bad_image_does_not_harm_its_neighbours(subject: Subject, bad: int) -> None:
    """At the edges of chunks too: its place holds its error, all others their answers."""
    images = [file(value) for value in range(11)]
    images[bad] = b"no image"
    expected: list[float | type[ServiceError]] = [round(share(value), 6) for value in range(11)]
    expected[bad] = ImageUnreadable
    assert outline(await subject.classifier.classify_many(images, top_k=1)) == expected
    assert bad not in [value for batch in subject.session.batches for value in batch]


async def test_each_bad_image_has_its_own_error(subject: Subject) -> None:
    """Broken, empty, too large; the good one between them is answered."""
    large = encode(np.zeros((101, 2), dtype=np.uint8))
    results = await subject.classifier.classify_many([b"no image", file(9), large, b""], top_k=1)
    assert outline(results) == [ImageUnreadable, round(share(9), 6), ImageTooLarge, ImageUnreadable]


async def test_a_single_bad_image_raises(subject: Subject) -> None:
    """And nothing is computed or measured for it."""
    with pytest.raises(ImageUnreadable):
        await subject.classifier.classify(b"no image", top_k=1)
    assert subject.session.batches == []
    assert subject.stages == []


async def test_no_images_give_no_answers(subject: Subject) -> None:
    """Nothing in, nothing out, nothing computed."""
    assert (await subject.classifier.classify_many([], top_k=1)).each() == []
    assert subject.session.batches == []


async def test_the_clock_runs_on_each_stage(subject: Subject) -> None:
    """Every stage is told of once an answered image; the answer holds the same figures."""
    answer = await subject.classifier.classify(file(1), top_k=1)
    times = answer.times
    assert subject.stages == [
        (Stage.DECODE, times.decode),
        (Stage.PREPROCESS, times.preprocess),
        (Stage.QUEUE, times.queue),
        (Stage.INFERENCE, times.inference),
        (Stage.POSTPROCESS, times.postprocess),
    ]
    assert all(seconds >= 0.0 for _, seconds in subject.stages)
    assert times.decode > 0.0
    assert times.batch_size == 1


async def test_the_time_of_inference_and_of_waiting_is_told_apart(subject: Subject) -> None:
    """A slow session shows as inference for the first image, as queue for the one behind it."""
    subject.session.gate.clear()
    first = asyncio.create_task(subject.classifier.classify(file(1), top_k=1))
    await subject.session.wait_until_busy()
    second = asyncio.create_task(subject.classifier.classify(file(2), top_k=1))
    await wait_until_queued(subject.batcher, 1)
    await asyncio.sleep(0.3)
    subject.session.gate.set()
    slow, waited = (await first).times, (await second).times
    assert slow.inference >= 0.3 > slow.queue
    assert waited.queue >= 0.3


async def test_stages_are_not_told_of_bad_images(subject: Subject) -> None:
    """Two good ones among three: ten figures."""
    await subject.classifier.classify_many([file(1), b"no image", file(2)], top_k=1)
    assert Counter(stage for stage, _ in subject.stages) == dict.fromkeys(Stage, 2)


async def test_more_labels_than_there_are_give_all(subject: Subject) -> None:
    """`top_k` is an upper bound."""
    answer = await subject.classifier.classify(file(1), top_k=99)
    assert [prediction.label for prediction in answer.classification.predictions] == ["bright", "dark"]


@pytest.mark.parametrize(
    ("value", "min_confidence", "unknown"),
    [
        (10, None, True),  # 0.55 under the model's own 0.8
        (100, None, False),  # 0.88
        (10, 0.5, False),  # the request's threshold replaces the model's
        (10, 0.0, False),  # zero too
        (100, 0.9, True),
    ],
)
async def test_the_threshold_of_the_request_replaces_that_of_the_model(
    doubtful: Subject, value: int, min_confidence: float | None, unknown: bool
) -> None:
    """Without one in the request, what the model was calibrated with counts, for one image and for many."""
    one = await doubtful.classifier.classify(file(value), top_k=1, min_confidence=min_confidence)
    (many,) = (await doubtful.classifier.classify_many([file(value)], top_k=1, min_confidence=min_confidence)).each()
    assert isinstance(many, Answer)
    assert (one.classification.unknown, many.classification.unknown) == (unknown, unknown)


async def test_a_deadline_that_has_passed_refuses_each_image(subject: Subject) -> None:
    """One error an image, nothing computed; alone it raises."""
    past = time.monotonic() - 1
    results = await subject.classifier.classify_many([file(1), file(2)], top_k=1, deadline=past)
    assert outline(results) == [DeadlineUnreachable] * 2
    with pytest.raises(DeadlineUnreachable):
        await subject.classifier.classify(file(1), top_k=1, deadline=past)
    assert subject.session.batches == []


async def test_images_that_find_the_queue_full_are_refused_alone(narrow: Subject) -> None:
    """Those that were accepted are answered."""
    narrow.session.gate.clear()
    running = asyncio.create_task(narrow.classifier.classify(file(0), top_k=1))
    await narrow.session.wait_until_busy()
    many = asyncio.create_task(narrow.classifier.classify_many([file(value) for value in range(1, 5)], top_k=1))
    await wait_until_queued(narrow.batcher, 2)
    narrow.session.gate.set()
    await running
    assert outline(await many) == [round(share(1), 6), round(share(2), 6), QueueFull, QueueFull]


async def test_an_image_that_finds_the_queue_full_is_not_even_decoded(narrow: Subject) -> None:
    """One that is no image is told of the queue, and no stage has seen it."""
    narrow.session.gate.clear()
    running = asyncio.create_task(narrow.classifier.classify(file(0), top_k=1))
    await narrow.session.wait_until_busy()
    many = asyncio.create_task(narrow.classifier.classify_many([file(1), file(2)], top_k=1))
    await wait_until_queued(narrow.batcher, 2)
    with pytest.raises(QueueFull, match="2 images are waiting"):
        await narrow.classifier.classify(b"no image", top_k=1)
    narrow.session.gate.set()
    await asyncio.gather(running, many)


async def test_images_that_are_being_decoded_count_as_waiting(narrow: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where decoding is what is short, whoever finds as many as the queue holds is refused at once."""
    release = threading.Event()
    prepare = narrow.classifier._preparation.prepare_or_recall

    def slowly(image: bytes) -> Prepared:
        release.wait(60)
        return prepare(image)

    monkeypatch.setattr(narrow.classifier._preparation, "prepare_or_recall", slowly)
    two = [asyncio.create_task(narrow.classifier.classify(file(value), top_k=1)) for value in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull, match="2 images are waiting"):
        await narrow.classifier.classify(file(2), top_k=1)
    assert outline(await narrow.classifier.classify_many([file(2), b"no image"], top_k=1)) == [QueueFull] * 2
    release.set()
    await asyncio.gather(*two)
    await narrow.classifier.classify(file(2), top_k=1)


async def test_a_failing_session_is_an_error_for_each_image(subject: Subject) -> None:
    """And over with the batch."""
    subject.session.failures.append(RuntimeError("broken"))
    with pytest.raises(InferenceFailed):
        await subject.classifier.classify(file(1), top_k=1)
    assert outline(await subject.classifier.classify_many([file(1)], top_k=1)) == [round(share(1), 6)]


async def test_after_the_drain_images_are_refused(subject: Subject) -> None:
    """Bad images are still told that they are bad."""
    await subject.batcher.drain()
    results = await subject.classifier.classify_many([file(1), b"no image"], top_k=1)
    assert outline(results) == [ShuttingDown, ImageUnreadable]


async def test_embeddings_come_in_order(subject: Subject) -> None:
    """The vector of each image, an error for the bad one, and the clock as for classifications."""
    results = await subject.classifier.embed_many([file(3), b"no image", file(250)])
    vectors = [result.vector.tolist() if isinstance(result, Embedded) else type(result) for result in results]
    assert vectors == [[3.0], ImageUnreadable, [250.0]]
    assert Counter(stage for stage, _ in subject.stages) == dict.fromkeys(Stage, 2)


async def test_small_files_are_decoded_by_few_threads_and_large_ones_by_all() -> None:
    """Of the small ones a thread has its chunk whole; two threads meet in the large ones, or neither would go on."""
    at_work: list[int] = []
    both = threading.Barrier(2, timeout=60)

    def watched(data: bytes, **options: Any) -> Pixels:
        at_work.append(threading.get_ident())
        if len(data) >= SMALL_BYTES:
            both.wait()
        else:
            time.sleep(0.001)  # another thread would take its turn meanwhile
        return decode(data, **options)

    subject = Subject(policy=BatchPolicy(), calibration=Calibration(temperature=TEMPERATURE), decode=watched)
    await subject.batcher.start()
    small = [file(value) + bytes(SMALL_BYTES - 200) for value in range(70)]
    answers = await subject.classifier.classify_many(small, top_k=1)
    assert outline(answers) == [round(share(value), 6) for value in range(70)]
    chunks = [at_work[at : at + 18] for at in range(0, 70, 18)]
    assert [len(set(chunk)) for chunk in chunks] == [1, 1, 1, 1]
    large = [file(value) + bytes(16 * SMALL_BYTES) for value in range(16)]
    assert len((await subject.classifier.classify_many(large, top_k=1)).computed) == 16
    await subject.stop()


async def test_where_nobody_waits_a_request_is_cut_into_fewer_parts() -> None:
    """At the lowest priority what else are two parts is one."""
    parts: list[int] = []

    class Counted(InThread):
        def several(self, images: Sequence[bytes], target: Target, out: Tensors, *, small: bool) -> Decoded:
            parts.append(len(images))
            return super().several(images, target, out, small=small)

    subject = Subject(policy=BatchPolicy(), calibration=Calibration(temperature=TEMPERATURE))
    subject.classifier._preparation._decoders = Counted(ImageLimits())
    await subject.batcher.start()
    small = [file(value) + bytes(2000) for value in range(70)]
    for priority in (Priority.NORMAL, Priority.LOW):
        await subject.classifier.classify_many(small, top_k=1, priority=priority)
    assert parts == [35, 35, 70]
    await subject.stop()


async def test_compute_gives_the_input_beside_the_outputs(subject: Subject) -> None:
    """The tensor is the image as the model took it."""
    prepared, row = await subject.classifier.compute(file(7))
    assert prepared.tensor.shape == (2, 3, 1)
    assert np.all(prepared.tensor == 7)
    assert row.logits.tolist() == [7.0, -7.0]


async def test_a_file_that_was_answered_is_not_computed_again(subject: Subject) -> None:
    """Whichever way it comes, with whatever options; another file of the same picture is another file."""
    subject.classifier.remember_in(ResponseCache(2**20).part_of("m", digest="d", precision="fp32"))
    first = await subject.classifier.classify(file(50), top_k=1)
    again = await subject.classifier.classify(file(50), top_k=2)
    both = await subject.classifier.classify_many([file(50), file(7)], top_k=1)
    embedded = await subject.classifier.embed_many([file(50)])
    assert subject.session.batches == [[50], [7]]
    assert again.classification.predictions[0] == first.classification.predictions[0]
    assert len(again.classification.predictions) == 2
    assert (again.times.batch_size, again.times.decode) == (0, 0.0)
    assert outline(both) == [round(share(50), 6), round(share(7), 6)]
    assert isinstance(embedded[0], Embedded)
    assert embedded[0].vector.tolist() == [50.0]


async def test_a_bad_image_is_not_remembered(subject: Subject) -> None:
    """It is refused anew each time, and what failed to be computed is tried again."""
    subject.classifier.remember_in(ResponseCache(2**20).part_of("m", digest="d", precision="fp32"))
    for _ in range(2):
        with pytest.raises(ImageUnreadable):
            await subject.classifier.classify(b"no image", top_k=1)
    subject.session.failures.append(ValueError("broken"))
    with pytest.raises(InferenceFailed):
        await subject.classifier.classify(file(50), top_k=1)
    assert (await subject.classifier.classify(file(50), top_k=1)).classification.predictions[0].label == "bright"
