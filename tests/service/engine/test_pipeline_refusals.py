"""Images that the pipeline refuses or cannot answer, beside good ones."""

import asyncio
import threading
import time

import numpy as np
import pytest

from service.engine.prepared import Prepared
from service.errors import (
    DeadlineUnreachable,
    ImageTooLarge,
    ImageUnreadable,
    InferenceFailed,
    QueueFull,
    ServiceError,
    ShuttingDown,
)
from tests.service.engine.classifiers import Subject, file, outline, share
from tests.service.engine.fake_session import wait_until_queued
from tests.service.packages import encode


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
