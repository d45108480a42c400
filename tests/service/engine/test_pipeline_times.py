"""The clock on each stage of the pipeline."""

import asyncio
from collections import Counter

from service.engine.times import Stage
from tests.service.engine.classifiers import Subject, file
from tests.service.engine.fake_session import wait_until_queued


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
