"""Images that may wait (service/engine/patient.py): several batches in one hand-over, and who comes in between."""

import asyncio
import itertools

import numpy as np
import pytest

from service.engine.batcher import BatchReport
from service.engine.patient import NothingComputed, Patient
from service.engine.priority import Priority
from service.engine.session import Outputs
from tests.service.engine.batchers import images, one_by_one, value_of
from tests.service.engine.fake_session import image, wait_until_queued
from tests.service.engine.patients import Session, started


def test_batches_are_computed_until_somebody_comes() -> None:
    """Each of its parts; what is left over is not even begun."""
    session, asked = Session(), list[int]()
    session.let(3)

    def may_begin(place: int) -> bool:
        asked.append(place)
        return place < 3

    parts = [images(range(at, at + 2)) for at in (1, 3, 5, 7, 9)]
    done = Patient([parts[0], parts[1], images(range(20, 24)), *parts[2:]], largest=4, may_begin=may_begin).compute(
        session.run
    )
    assert session.batches == [[1, 2, 3, 4], [20, 21, 22, 23]]
    assert asked == [0, 2, 3]
    assert [batch.parts for batch, _ in done] == [2, 1]
    assert done[0][0].began_at + done[0][0].seconds <= done[1][0].began_at


def test_a_batch_that_fails_takes_no_answer_from_those_before_it() -> None:
    """And nothing is told where it is the first: it is computed once more by itself."""
    session = Session()
    session.let(3)
    parts = [images(range(1, 5)), images(range(99, 103)), images(range(5, 9))]
    done = Patient(parts, largest=4, may_begin=lambda _: True).compute(session.run)
    assert [batch.parts for batch, _ in done] == [1]
    with pytest.raises(NothingComputed):
        Patient(parts[1:], largest=4, may_begin=lambda _: True).compute(session.run)


def test_a_session_that_miscounts_is_found_out() -> None:
    """Or answers would be another image's."""
    with pytest.raises(NothingComputed):
        Patient([images(range(3))], largest=4, may_begin=lambda _: True).compute(
            lambda tensors: Outputs(logits=np.zeros((len(tensors) - 1, 2), dtype=np.float32), embeddings=None)
        )


async def test_a_request_that_may_wait_is_handed_over_at_once_and_told_of_batch_by_batch() -> None:
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        session.let(4)
        pieces = await batcher.submit_each(images(range(1, 15)), priority=Priority.LOW)
    rows = one_by_one(pieces)
    assert [value_of(row) for row in rows] == list(range(1, 15))  # type: ignore[arg-type] # none was refused
    assert session.batches == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14]]
    assert [report.size for report in reports] == [4, 4, 4, 2]
    began = [report.computed_at for report in reports]
    assert began == sorted(began)


async def test_who_is_more_important_goes_before_what_has_not_begun() -> None:
    """The rest waits again, what was handed over ahead included, and nobody's answer is lost or another's."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        patient = asyncio.create_task(batcher.submit_each(images(range(1, 33)), priority=Priority.LOW))
        await session.until(1)
        assert batcher.waiting == 0  # sixteen with the thread, sixteen ahead
        urgent = asyncio.create_task(batcher.submit(image(50)))
        await wait_until_queued(batcher, 1)
        session.let(2)
        assert value_of(await urgent) == 50
        session.let(7)
        rows = one_by_one(await patient)
    assert [value_of(row) for row in rows] == list(range(1, 33))  # type: ignore[arg-type] # none was refused
    assert session.batches[:2] == [[1, 2, 3, 4], [50]]
    assert list(itertools.chain(*session.batches[2:])) == list(range(5, 33))
    assert [report.size for report in reports] == [4, 1, *[4] * 7]


async def test_what_was_handed_over_ahead_waits_until_its_thread_has_it() -> None:
    """That is told as waiting, and not as computing."""
    session, reports = Session(), list[BatchReport]()
    async with started(session, reports) as batcher:
        first = asyncio.create_task(batcher.submit_each(images(range(1, 5)), priority=Priority.LOW))
        await session.until(1)
        ahead = asyncio.create_task(batcher.submit_each(images(range(5, 9)), priority=Priority.LOW))
        await asyncio.sleep(0.1)
        assert (batcher.waiting, session.batches) == (0, [[1, 2, 3, 4]])
        session.let(2)
        await asyncio.gather(first, ahead)
    assert reports[0].inference_seconds > 0.09
    assert reports[1].inference_seconds < min(reports[1].queue_seconds) > 0.09
