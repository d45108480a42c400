"""Which session computes a batch: all cores where it is alone, one core beside another once that was worth opening."""

import asyncio
import os
import threading
from collections.abc import Callable

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.engine.batcher import Tensor
from service.engine.layouts import AGAIN_SECONDS, SMALL_BATCHES, Layouts
from service.engine.session import Outputs
from service.engine.side_by_side import SideBySide
from service.models.package import PackageRefused

IMAGES = np.zeros((1, 2, 2, 1), dtype=np.uint8)


class Session:
    """Notes what it is given."""

    def __init__(self) -> None:
        self.batches = 0

    def run(self, images: Tensor) -> Outputs:
        self.batches += 1
        return Outputs(logits=np.zeros((len(images), 2), dtype=np.float32), embeddings=None)

    def stage(self, images: Tensor) -> Callable[[], Outputs]:
        return lambda: self.run(images)


class Opening:
    """What opens the narrow session: notes where, and fails or finds no memory as often as it is told to."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.narrow = Session()
        self.outcomes = list(outcomes)
        self.threads: list[str] = []
        self.niceness: list[int] = []
        self.wanted: list[bool] = []
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, wanted: Callable[[], bool]) -> Session | None:
        self.begun.set()
        assert self.gate.wait(60)
        self.wanted.append(wanted())
        self.threads.append(threading.current_thread().name)
        self.niceness.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        if not self.outcomes:
            return self.narrow
        outcome = self.outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return None


class Subject:
    """Layouts whose clock is a number."""

    def __init__(self, opening: Opening | None) -> None:
        self.wide = Session()
        self.now = 0.0
        self.opening = opening
        self.layouts = Layouts(
            lambda: self.wide,
            name="m-1",
            open_narrow=opening,
            load=SideBySide(long_enough_seconds=3.0),
            clock=lambda: self.now,
        )

    async def load(self, seconds: float) -> None:
        """Two batches side by side for so long; then as long as it takes to open what that asks for."""
        for run in [self.layouts.begin(), self.layouts.begin()]:
            run(IMAGES)
        self.now += seconds
        self.layouts.end()
        self.layouts.end()
        await self.opened()

    async def opened(self) -> None:
        """Nothing is being opened any more."""
        for thread in threading.enumerate():
            if thread.name == "opens-m-1":
                await asyncio.to_thread(thread.join)
        await asyncio.sleep(0)


async def test_one_batch_after_the_other_has_all_cores() -> None:
    """For hours."""
    subject = Subject(Opening())
    for _ in range(1000):
        subject.layouts.begin()(IMAGES)
        subject.now += 10.0
        subject.layouts.end()
    assert (subject.wide.batches, subject.layouts.narrow) == (1000, None)


async def test_batches_side_by_side_have_a_core_each_after_a_while() -> None:
    """The one that begins alone has all of them still, as no other may come."""
    opening = Opening()
    subject = Subject(opening)
    await subject.load(1.0)
    assert opening.threads == []
    await subject.load(3.0)
    assert subject.layouts.narrow is opening.narrow
    assert subject.wide.batches == 4
    await subject.load(1.0)
    assert (subject.wide.batches, opening.narrow.batches) == (5, 1)
    assert opening.threads == ["opens-m-1"]


async def test_small_batches_have_one_core_after_a_while() -> None:
    """As many as pay for the session; larger ones have all cores still where they are alone."""
    opening = Opening()
    subject = Subject(opening)
    for _ in range(SMALL_BATCHES - 1):
        subject.layouts.small(IMAGES)
    await subject.opened()
    assert opening.threads == []
    subject.layouts.small(IMAGES)
    await subject.opened()
    assert (subject.wide.batches, opening.narrow.batches) == (SMALL_BATCHES, 0)
    subject.layouts.small(IMAGES)
    subject.layouts.alone(IMAGES)
    assert (subject.wide.batches, opening.narrow.batches) == (SMALL_BATCHES + 1, 1)


async def test_small_batches_go_on_where_there_is_no_memory_for_another_session() -> None:
    """It is tried again later, after as many."""
    opening = Opening(None)
    subject = Subject(opening)
    for _ in range(2 * SMALL_BATCHES):
        subject.layouts.small(IMAGES)
    await subject.opened()
    subject.now += AGAIN_SECONDS
    for _ in range(SMALL_BATCHES - 1):
        subject.layouts.small(IMAGES)
    assert len(opening.threads) == 1
    subject.layouts.small(IMAGES)
    await subject.opened()
    assert (subject.layouts.narrow, len(opening.threads)) == (opening.narrow, 2)


async def test_it_is_opened_behind_those_who_call() -> None:
    """In a thread that gives way to the others, where the system knows such."""
    opening = Opening()
    await Subject(opening).load(4.0)
    (niceness,) = opening.niceness
    assert niceness > os.getpriority(os.PRIO_PROCESS, 0) or niceness == 19


async def test_where_there_is_no_memory_it_is_tried_again_later() -> None:
    """A minute later, under load that lasts."""
    opening = Opening(None)
    subject = Subject(opening)
    await subject.load(4.0)
    await subject.load(4.0)
    assert (subject.layouts.narrow, len(opening.threads)) == (None, 1)
    subject.now += AGAIN_SECONDS
    await subject.load(4.0)
    assert subject.layouts.narrow is opening.narrow


@pytest.mark.filterwarnings("error")
async def test_one_that_is_refused_is_not_tried_again() -> None:
    """All goes on as before."""
    opening = Opening(ValueError("it disagrees"))
    subject = Subject(opening)
    for _ in range(3):
        await subject.load(4.0)
        subject.now += AGAIN_SECONDS
    assert (subject.layouts.narrow, len(opening.threads), subject.wide.batches) == (None, 1, 6)


async def test_one_that_is_there_when_the_model_is_closed_is_not_kept() -> None:
    """Whoever opens it can ask whether it is wanted still."""
    opening = Opening()
    opening.gate.clear()
    subject = Subject(opening)
    load = asyncio.create_task(subject.load(4.0))
    assert await asyncio.to_thread(opening.begun.wait, 60)
    subject.layouts.close()
    opening.gate.set()
    await load
    assert opening.wanted == [False]
    assert (len(opening.threads), subject.layouts.narrow) == (1, None)


@pytest.mark.parametrize("error", [PackageRefused("m/1/model.onnx cannot be read"), ValueError("it broke")])
async def test_a_refusal_is_told_in_a_line_and_anything_else_with_its_cause(error: Exception) -> None:
    """A package that is gone from the disk is nothing that its operator would look for in a program."""
    with capture_logs() as logs:
        await Subject(Opening(error)).load(4.0)
    (line,) = logs
    assert ("exc_info" in line) is not isinstance(error, PackageRefused)
    assert line.get("reason") == (str(error) if isinstance(error, PackageRefused) else None)


async def test_a_closed_model_opens_none_and_keeps_none() -> None:
    """Neither what is there nor another."""
    opening = Opening()
    subject = Subject(opening)
    await subject.load(4.0)
    subject.layouts.close()
    assert subject.layouts.narrow is None
    await subject.load(4.0)
    assert len(opening.threads) == 1


async def test_without_a_second_session_there_is_the_first() -> None:
    """On a GPU, and where a model has one core anyway."""
    subject = Subject(None)
    await subject.load(100.0)
    assert (subject.wide.batches, subject.layouts.narrow) == (2, None)
    assert len(subject.layouts.stage(IMAGES)().logits) == 1
