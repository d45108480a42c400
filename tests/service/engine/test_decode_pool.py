"""Decoding in processes: the same pixels and errors as in threads; what ends or stops a process costs one image."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from service.engine import decode_pool, decode_process
from service.engine.child import child_environment
from service.engine.decode import ImageLimits
from service.engine.decode_pool import DecodePool
from service.engine.decode_process import FIRST_BYTES, DecodeProcess, Lost
from service.engine.decoded import Decoded, Target, Tensors, decode_all
from service.engine.decoders import InProcesses
from service.errors import DecoderUnavailable, ImageUnreadable, ServiceError
from service.models.manifest import InputSpec, PixelFormat, Polarity, Resize
from tests.reliability.hostile_images import mutated
from tests.service.api.house import classify
from tests.service.engine.encoded import colours, encoded, oriented
from tests.service.in_process import serving
from tests.service.packages import encode, picture

LIMITS = ImageLimits(max_pixels=1_000_000, max_bytes=3_000_000)
IMAGE = encode(picture(2))
TARGET = Target(spec=InputSpec(pixel_format=PixelFormat.GRAY8, height=8, width=12, mean=(0.0,), std=(1.0,)))
HARM = """
import os, signal, time
from service.engine import decode

good = decode.sniff

def sniff(data):
    if data == b"KILLS":
        os.kill(os.getpid(), signal.SIGKILL)
    if data == b"HANGS":
        time.sleep(600)
    if data == b"FOR EVER":  # as if all but the last second or two had passed
        signal.alarm(max(0, signal.alarm(0) - 1198))
        time.sleep(600)
    return good(data)

decode.sniff = sniff
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(1, LIMITS, seconds=30)
    yield pool
    pool.close()


def one(pool: DecodePool) -> int:
    """The values of the tensor of one image. Raises what is wrong with it."""
    return InProcesses(pool).one(IMAGE, TARGET).tensor.size


def outcomes(decode: Callable[[Sequence[bytes], Target, Tensors], Decoded], files: Sequence[bytes]) -> list[object]:
    """The tensor of each image, or what is wrong with it."""
    tensors = TARGET.room(len(files))
    decoded = decode(files, TARGET, tensors)
    found: dict[int, object] = dict(zip(decoded.places.tolist(), tensors.tolist(), strict=False))
    assert (decoded.times >= 0).all()
    assert len(decoded.times) == len(decoded.places)
    return [found[place] if place in found else told(decoded.errors[place]) for place in range(len(files))]


def told(error: ServiceError) -> object:
    return type(error), error.sentence, error.metadata


def here(files: Sequence[bytes], target: Target, out: Tensors) -> Decoded:
    return decode_all(files, target, LIMITS, out)


def test_tensors_and_errors_are_those_of_a_thread(pool: DecodePool) -> None:
    """Together and one by one: mutated images of all formats, turned ones, colours for grey, nothing, and too much."""
    turned = [encoded(colours(), "JPEG", exif=oriented(value)) for value in (3, 6, 8)]
    files = [*mutated(100, seed=7), b"", *turned, bytes(LIMITS.max_bytes + 1), encode(picture(0)), b"no image"]
    expected = outcomes(here, files)
    assert outcomes(pool.decode, files) == expected
    assert [outcomes(pool.decode, [file])[0] for file in files[95:]] == expected[95:]
    assert outcomes(pool.decode, []) == []


def test_a_target_is_reached_as_a_thread_does(pool: DecodePool) -> None:
    """Colour, a crop, a polarity that is mended, a JPEG that is decoded to a quarter."""
    spec = InputSpec(
        pixel_format=PixelFormat.RGB8,
        height=20,
        width=30,
        resize=Resize.SHORTER_SIDE,
        resize_to=32,
        polarity=Polarity.BRIGHT_ON_DARK,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )
    target = Target(spec=spec, at_least=32.0)
    photograph = Image.effect_noise((300, 200), 30).convert("RGB")
    files = [encoded(photograph, "JPEG"), encoded(Image.new("L", (40, 40), 255), "PNG"), IMAGE]
    there, expected = target.room(3), target.room(3)
    pool.decode(files, target, there)
    decode_all(files, target, LIMITS, expected)
    np.testing.assert_array_equal(there, expected)


def test_more_images_than_the_memory_holds_at_first(pool: DecodePool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows to what goes together, and no further however many come."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 900), dtype=np.uint8)
    files = [encode(noise), *[encode(noise[:90, :90])] * 20, encode(noise), IMAGE]
    assert len(files[0]) > FIRST_BYTES / 2
    monkeypatch.setattr(decode_pool, "TOGETHER_BYTES", 8 * FIRST_BYTES - 2**16)
    assert outcomes(pool.decode, files * 8) == outcomes(here, files) * 8
    (process,) = pool._free
    assert len(process._memory) == 8 * FIRST_BYTES


def test_a_process_killed_in_the_middle_of_many_costs_nothing(pool: DecodePool) -> None:
    """Held, given its images, and then killed: they are decoded by the next one."""
    files = [encode(picture(number)) for number in range(12)]
    expected = outcomes(here, files)
    assert outcomes(pool.decode, files) == expected
    (before,) = pool.pids()
    os.kill(before, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(outcomes, pool.decode, files)
        while pool.pids():
            time.sleep(0.001)
        time.sleep(0.05)
        os.kill(before, signal.SIGKILL)
        assert answer.result() == expected
    assert pool.pids() != [before]


def test_of_many_images_those_that_break_the_decoder_are_refused_alone(tmp_path: Path, harmed: None) -> None:
    """One ends whatever decodes it, one never ends; their neighbours have their tensors."""
    files = [IMAGE, b"HANGS", encode(picture(5)), b"no image", b"KILLS", encode(picture(6)), IMAGE]
    pool = DecodePool(1, LIMITS, seconds=1.5)
    found, expected = outcomes(pool.decode, files), outcomes(here, files)
    refused = told(ImageUnreadable("The image could not be decoded within 1.5 s, or broke its decoder; save it anew."))
    assert found == [*expected[:1], refused, *expected[2:4], refused, *expected[5:]]
    assert pool.trouble == ""
    pool.close()


def test_a_process_that_nobody_ends_ends_itself(harmed: None) -> None:
    """Where an image takes for ever: who asked for it may be gone."""
    process = DecodeProcess(LIMITS)
    with pytest.raises(Lost, match="it ended"):
        process.decode([IMAGE, b"FOR EVER"], TARGET, TARGET.room(2), seconds=60)
    assert process._process.wait(60) == -signal.SIGALRM
    process.end()


@pytest.fixture
def harmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes in which the bytes KILLS, HANGS and FOR EVER do what they say."""
    (tmp_path / "sitecustomize.py").write_text(HARM, encoding="utf-8")
    environment = child_environment()
    path = os.pathsep.join((str(tmp_path), environment["PYTHONPATH"]))
    monkeypatch.setattr(decode_process, "child_environment", lambda: environment | {"PYTHONPATH": path})


def test_a_killed_process_is_replaced_and_costs_nothing(pool: DecodePool) -> None:
    """Its image is decoded by the next one."""
    one(pool)
    (before,) = pool.pids()
    os.kill(before, signal.SIGKILL)
    assert one(pool) == 96
    assert pool.pids() != [before]


def test_a_process_that_ends_while_it_starts_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one does not even begin; the image waits for the second."""
    starts: list[dict[str, str]] = []

    def environment() -> dict[str, str]:
        starts.append(child_environment())
        return starts[-1] if len(starts) > 1 else starts[-1] | {"PYTHONHASHSEED": "none"}

    monkeypatch.setattr(decode_process, "child_environment", environment)
    pool = DecodePool(1, LIMITS, seconds=30)
    assert one(pool) == 96
    assert len(starts) == 2
    pool.close()


def test_where_no_process_can_be_started_the_image_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is it where the system refuses one; after ten the pool is in trouble, until one image is decoded."""
    pool = DecodePool(1, LIMITS, seconds=30)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(DecoderUnavailable, match="could be started"):
            one(pool)
        assert pool.trouble == ""
        patch.setattr(sys, "executable", "/nothing/there")
        with pytest.raises(DecoderUnavailable):
            one(pool)
        assert "no image was decoded" in pool.trouble
        with monkeypatch.context() as later:
            later.setattr(decode_pool, "ENDS_WITHIN_SECONDS", 0.0)
            assert pool.trouble == ""
    assert one(pool) == 96
    assert pool.trouble == ""
    pool.close()


def test_an_image_that_takes_too_long_is_refused_and_its_process_ended() -> None:
    """Stopped here from outside; the next image is decoded by another process."""
    pool = DecodePool(1, LIMITS, seconds=1.5)
    one(pool)
    (before,) = pool.pids()
    os.kill(before, signal.SIGSTOP)
    with pytest.raises(ImageUnreadable, match=r"within 1\.5 s"):
        one(pool)
    assert not psutil.pid_exists(before)
    one(pool)
    pool.close()


def test_a_pause_of_the_whole_service_costs_no_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when its container is paused: the wait ends late, and by then the process has had no time either."""
    pool = DecodePool(1, LIMITS, seconds=1.5)
    one(pool)
    (process,) = pool._free
    answers, late = process._answers, list[bool]()

    class Paused:
        def poll(self, milliseconds: float) -> list[tuple[int, int]]:
            if late:
                return answers.poll(milliseconds)
            late.append(True)
            time.sleep(1.7)
            return []

    monkeypatch.setattr(process, "_answers", Paused())
    assert one(pool) == 96
    assert pool.pids() == [process.pid]
    pool.close()


def test_a_process_that_tells_of_an_image_that_there_is_not_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever took it over: all images have an answer, from the next one."""
    pool = DecodePool(1, LIMITS, seconds=60)
    one(pool)
    (process,) = pool._free
    read = process._read_line

    def nonsense(*arguments: Any) -> dict[str, Any]:
        return read(*arguments) | {"errors": [[-1, "IMAGE_UNREADABLE", "No image.", {}]]}

    monkeypatch.setattr(process, "_read_line", nonsense)
    assert outcomes(pool.decode, [IMAGE] * 3) == outcomes(here, [IMAGE] * 3)
    assert pool.pids() != [process.pid]
    pool.close()


def test_a_process_has_limits_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its memory and files; nothing of the service's environment but what Python needs."""
    monkeypatch.setenv("RECOGNITION_SOMETHING", "secret")
    pool = DecodePool(1, LIMITS, seconds=30)
    one(pool)
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
        decoder = service.live().classifier._preparation._decoders._pool  # type: ignore[attr-defined]
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
