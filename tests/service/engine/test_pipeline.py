"""The way of one image and of many: order, thresholds, parts, answers that are kept."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from service.engine.answers import Answer, Embedded
from service.engine.batcher import BatchPolicy
from service.engine.decode import ImageLimits, decode
from service.engine.decoded import Decoded, Target, Tensors
from service.engine.decoders import InThread
from service.engine.jpeg import Pixels
from service.engine.pipeline import SMALL_BYTES
from service.engine.priority import Priority
from service.engine.response_cache import ResponseCache
from service.engine.times import Stage
from service.errors import ImageUnreadable, InferenceFailed
from service.models.manifest import Calibration
from tests.service.engine.classifiers import TEMPERATURE, Subject, file, outline, share


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


async def test_no_images_give_no_answers(subject: Subject) -> None:
    """Nothing in, nothing out, nothing computed."""
    assert (await subject.classifier.classify_many([], top_k=1)).each() == []
    assert subject.session.batches == []


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
