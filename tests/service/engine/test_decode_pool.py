"""Decoding in processes: the same pixels and errors as in threads; what ends or stops a process costs one image."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from service.engine import decode_pool
from service.engine.child import child_environment
from service.engine.decode import ImageLimits, decode
from service.engine.decode_pool import DecodePool
from service.errors import DecoderUnavailable, ImageUnreadable, ServiceError
from service.models.manifest import PixelFormat
from tests.reliability.hostile_images import mutated
from tests.service.api.house import classify
from tests.service.in_process import serving
from tests.service.packages import encode, picture

LIMITS = ImageLimits(max_pixels=1_000_000)
IMAGE = encode(picture(2))


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(1, LIMITS, seconds=30)
    yield pool
    pool.close()


def outcome(decoder: object, data: bytes, pixel_format: PixelFormat) -> object:
    try:
        return decoder(data, pixel_format=pixel_format, limits=LIMITS)  # type: ignore[operator]
    except ServiceError as error:
        return type(error), error.sentence, error.metadata


def test_pixels_and_errors_are_those_of_decode(pool: DecodePool) -> None:
    """For 200 mutated images of all formats, in grey and in colour."""
    for number, data in enumerate(mutated(200, seed=7)):
        pixel_format = (PixelFormat.GRAY8, PixelFormat.RGB8)[number % 2]
        here, there = outcome(decode, data, pixel_format), outcome(pool.decode, data, pixel_format)
        if isinstance(here, np.ndarray):
            assert isinstance(there, np.ndarray)
            np.testing.assert_array_equal(here, there)
        else:
            assert here == there


def test_a_killed_process_is_replaced_and_costs_nothing(pool: DecodePool) -> None:
    """Its image is decoded by the next one."""
    pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
    (before,) = pool.pids()
    os.kill(before, signal.SIGKILL)
    assert pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS).shape == (8, 12)
    assert pool.pids() != [before]


def test_a_process_that_ends_while_it_starts_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one does not even begin; the image waits for the second."""
    starts: list[dict[str, str]] = []

    def environment() -> dict[str, str]:
        starts.append(child_environment())
        return starts[-1] if len(starts) > 1 else starts[-1] | {"PYTHONHASHSEED": "none"}

    monkeypatch.setattr(decode_pool, "child_environment", environment)
    pool = DecodePool(1, LIMITS, seconds=30)
    assert pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS).shape == (8, 12)
    assert len(starts) == 2
    pool.close()


def test_where_no_process_can_be_started_the_image_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it where the system refuses one; after ten the pool is in trouble, until one image is decoded."""
    pool = DecodePool(1, LIMITS, seconds=30)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(DecoderUnavailable, match="could be started"):
            pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
        assert pool.trouble == ""
        patch.setattr(sys, "executable", "/nothing/there")
        with pytest.raises(DecoderUnavailable):
            pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
        assert "no image was decoded" in pool.trouble
        with monkeypatch.context() as later:
            later.setattr(decode_pool, "ENDS_WITHIN_SECONDS", 0.0)
            assert pool.trouble == ""
    assert pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS).shape == (8, 12)
    assert pool.trouble == ""
    pool.close()


def test_an_image_that_takes_too_long_is_refused_and_its_process_ended() -> None:
    """Stopped here from outside; the next image is decoded by another process."""
    pool = DecodePool(1, LIMITS, seconds=1.5)
    pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
    (before,) = pool.pids()
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(ImageUnreadable, match=r"within 1\.5 s"):
        pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
    assert not psutil.pid_exists(before)
    pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
    pool.close()


def test_a_process_has_limits_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its memory and files; nothing of the service's environment but what Python needs."""
    monkeypatch.setenv("RECOGNITION_SOMETHING", "secret")
    pool = DecodePool(1, LIMITS, seconds=30)
    pool.decode(IMAGE, pixel_format=PixelFormat.GRAY8, limits=LIMITS)
    place = Path(f"/proc/{pool.pids()[0]}")
    assert b"secret" not in (place / "environ").read_bytes()
    limits = (place / "limits").read_text(encoding="ascii")
    assert "Max address space     unlimited" not in limits
    assert "Max core file size        0 " in limits
    assert len(list((place / "fd").iterdir())) <= 6
    pool.close()


async def test_the_service_answers_while_its_processes_are_killed(models: Path) -> None:
    """Every call has an answer, for an image is lost only if it loses two processes: here it loses one each time."""
    async with serving(models, decode_isolation="process", decode_threads=1, decode_seconds=60) as service:
        expected = await service.stub.Classify(classify(IMAGE))
        decoder = service.live().classifier._preparation._decode.__self__  # type: ignore[attr-defined]
        for _ in range(3):
            (pid,) = decoder.pids()
            calls = [asyncio.ensure_future(service.stub.Classify(classify(IMAGE), timeout=100)) for _ in range(20)]
            await asyncio.sleep(random.uniform(0.0, 0.02))
            os.kill(pid, signal.SIGKILL)
            for answer in await asyncio.gather(*calls):
                assert answer.classification == expected.classification
            await service.stub.Classify(classify(IMAGE), timeout=100)  # by a process that is there now
            assert decoder.pids() != [pid]
        decoder.close()
