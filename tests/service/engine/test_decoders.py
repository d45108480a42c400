"""Who makes tensors of images (service/engine/decoders.py): always the same ones, and never at the price of waiting."""

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from service.engine.batcher import Row
from service.engine.decode import ImageLimits
from service.engine.decode_pool import DecodePool
from service.engine.decoded import Target
from service.engine.decoders import WORTH_A_PROCESS, Decoders, InProcesses, InThread, SmallInProcesses
from service.engine.decoding import Decoding
from service.engine.preparation import Preparation
from service.engine.response_cache import ResponseCache
from service.engine.time_columns import Column
from service.errors import ImageUnreadable
from service.models.manifest import InputSpec, PixelFormat, Polarity
from tests.service.packages import encode, picture

LIMITS = ImageLimits()
SPEC = InputSpec(
    pixel_format=PixelFormat.GRAY8, height=8, width=12, mean=(0.0,), std=(1.0,), polarity=Polarity.BRIGHT_ON_DARK
)
TARGET = Target(spec=SPEC)
FILES = [encode(picture(number % 20)) for number in range(2 * WORTH_A_PROCESS)]
SECONDS = 120.0
"""For a process to start; only where none does it takes as long."""


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def by(decoders: Decoders, count: int = len(FILES), *, small: bool = True) -> None:
    """Asks for so many and compares them with what a thread makes of them."""
    tensors, expected = TARGET.room(count), TARGET.room(count)
    decoded = decoders.several(FILES[:count], TARGET, tensors, small=small)
    InThread(LIMITS).several(FILES[:count], TARGET, expected, small=small)
    assert decoded.places.tolist() == list(range(count))
    np.testing.assert_array_equal(tensors, expected)


def test_many_small_ones_go_to_a_process_when_there_is_one() -> None:
    """The first do not wait for it; neither few, nor large, nor single ones are worth it."""
    pool = DecodePool(1, LIMITS, seconds=30)
    subject = SmallInProcesses(LIMITS, pool)
    subject.one(FILES[0], TARGET)
    by(subject, small=False)
    by(subject, WORTH_A_PROCESS - 1)
    assert pool._startable == 1
    by(subject)
    assert pool._startable == 0
    until(pool.has_one_free)
    (process,) = pool._free
    process._memory[:8] = b"untouchd"
    for count, small in ((len(FILES), False), (WORTH_A_PROCESS - 1, True)):
        by(subject, count, small=small)
    assert process._memory[:8] == b"untouchd"
    by(subject)
    assert process._memory[:8] != b"untouchd"
    pool.close()


def test_where_no_process_can_be_started_the_thread_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the background, or in the place of one that is lost."""
    pool = DecodePool(1, LIMITS, seconds=30)
    subject = SmallInProcesses(LIMITS, pool)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    by(subject)
    until(lambda: pool._startable == 1)
    by(subject)
    assert pool._startable == 1  # not again at once
    monkeypatch.undo()
    pool._start_again_at = 0.0
    by(subject)
    until(pool.has_one_free)
    pool._free[0]._process.kill()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    by(subject)
    pool.close()


def test_where_there_are_no_more_threads_the_one_that_asks_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And a process is started once there are."""
    pool = DecodePool(1, LIMITS, seconds=30)
    subject = SmallInProcesses(LIMITS, pool)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        by(subject)
        assert pool._startable == 1
    by(subject)
    assert pool._startable == 1  # not again at once
    pool._start_again_at = 0.0
    until(pool.has_one_free)
    pool.close()


def test_a_process_that_is_there_too_late_is_ended() -> None:
    """It was still starting when the pool was closed."""
    pool = DecodePool(1, LIMITS, seconds=30)
    assert not pool.has_one_free()
    pool.close()
    until(lambda: pool._startable == 1)
    assert pool._free == []


def test_with_a_cache_only_those_that_are_not_known_go_to_a_process() -> None:
    """What is said of them is what a thread says."""
    files = [FILES[0], b"no image", b"", FILES[1], FILES[2]]
    pool = DecodePool(1, LIMITS, seconds=30)
    outcomes = []
    for decoders in (InThread(LIMITS), InProcesses(pool)):
        subject = Preparation(SPEC, LIMITS, Decoding.EXACT, decoders=decoders)
        subject.cache = ResponseCache(2**20).part_of("m", digest="d", precision="fp32")
        known = subject.prepare_or_recall(FILES[1])
        row = Row(logits=np.ones(2, np.float32), embedding=None, queue_seconds=0.0, inference_seconds=0.0, batch_size=1)
        subject.keep(known, row)
        prepared = subject.prepare_all(files)
        assert (prepared.times[Column.LOOKUP] > 0).all()
        errors = {place: (type(error), error.sentence) for place, error in prepared.errors.items()}
        outcomes.append((prepared.places.tolist(), prepared.tensors.tolist(), list(prepared.known), errors))
        assert list(prepared.files) == [subject.prepare_or_recall(files[place]).file for place in (0, 4)]
        with pytest.raises(ImageUnreadable, match="not an image"):
            subject.prepare_or_recall(b"no image")
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == [0, 4]
    pool.close()
