"""Sessions of a package: the first, and the one for batches side by side, which is proved before anybody uses it."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.engine.batcher import Tensor
from service.engine.decode import ImageLimits, decode
from service.engine.execution import CPU_PROVIDER, CUDA_PROVIDER
from service.models import sessions as module
from service.models.manifest import PixelFormat, Precision
from service.models.package import Package, PackageRefused
from service.models.repository import ModelRepository
from service.models.sessions import LEFT_BYTES, Sessions
from tests.service.models.damage import flip_bit, graph_with, replace_file
from tests.service.packages import HEIGHT, WIDTH, PackageRecipe, expected_logits, picture


@pytest.fixture
def package(root: Path) -> Package:
    PackageRecipe().write(root)
    return ModelRepository(root).open("thirds", 1)


def prepare(image: bytes) -> Tensor:
    pixels = decode(image, pixel_format=PixelFormat.GRAY8, limits=ImageLimits())
    return pixels.reshape(HEIGHT, WIDTH, 1)


def sessions(*, provider: str = CPU_PROVIDER, threads: int = 2, available: int | None = None) -> Sessions:
    return Sessions(provider=provider, threads=threads, available=lambda: available)


@pytest.mark.parametrize("available", [None, LEFT_BYTES * 2])
def test_both_sessions_compute_the_same(package: Package, available: int | None) -> None:
    """What the graph says."""
    subject = sessions(available=available)
    narrow = subject.open_narrow(package, Precision.FP32, prepare)
    assert narrow is not None
    for session in (subject.open(package, Precision.FP32), narrow):
        logits = session.run(picture(1).reshape(1, HEIGHT, WIDTH, 1)).logits
        np.testing.assert_allclose(logits[0], expected_logits(picture(1)), atol=1e-4)


def test_where_memory_is_short_there_is_no_second_one(package: Package) -> None:
    """Requests need it more."""
    assert sessions(available=LEFT_BYTES).open_narrow(package, Precision.FP32, prepare) is None


def test_they_are_opened_one_after_the_other(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks at the memory that the one before has left."""
    steps: list[str] = []

    def available() -> int:
        steps.append("begins")
        time.sleep(0.01)  # for the others to come in
        return LEFT_BYTES * 2

    monkeypatch.setattr(module, "give_back_memory", lambda: steps.append("ends"))
    subject = Sessions(provider=CPU_PROVIDER, threads=2, available=available)
    with ThreadPoolExecutor(4) as pool:
        opened = [pool.submit(subject.open_narrow, package, Precision.FP32, prepare) for _ in range(4)]
        assert all(session.result() is not None for session in opened)
    assert steps == ["begins", "ends"] * 4


@pytest.mark.parametrize("looks", [0, 1])
def test_what_nobody_wants_any_more_is_not_proved(package: Package, looks: int) -> None:
    """Nor loaded, where it is known by then: a stop waits for it."""
    answers = [True] * looks + [False]

    def never(image: bytes) -> Tensor:
        raise AssertionError("it was proved")

    assert sessions().open_narrow(package, Precision.FP32, never, lambda: answers.pop(0)) is None
    assert answers == []


def test_a_package_that_is_gone_is_refused(package: Package) -> None:
    """In one line that names the file."""
    (package.path / "model.onnx").unlink()
    with pytest.raises(PackageRefused, match=r"thirds/1/model\.onnx cannot be read"):
        sessions().open_narrow(package, Precision.FP32, prepare)


def test_one_that_disagrees_with_the_golden_samples_is_refused(package: Package) -> None:
    """As the first would be."""
    replace_file(package.path, "model.onnx", graph_with("gain", 11.0))
    changed = ModelRepository(package.path.parents[1]).open("thirds", 1)
    with pytest.raises(PackageRefused, match="golden samples disagree"):
        sessions().open_narrow(changed, Precision.FP32, prepare)


def test_a_file_that_was_changed_meanwhile_is_refused(package: Package) -> None:
    """It is no longer what was proved."""
    flip_bit(package.path / "model.onnx")
    with pytest.raises(PackageRefused, match="was changed"):
        sessions().open_narrow(package, Precision.FP32, prepare)


@pytest.mark.parametrize(
    ("provider", "threads", "lanes", "opens"),
    [
        (CPU_PROVIDER, 2, 2, True),
        (CPU_PROVIDER, 1, 2, False),
        (CPU_PROVIDER, 2, 1, False),
        (CUDA_PROVIDER, 2, 2, False),
    ],
)
def test_only_several_lanes_on_several_cores_need_a_second_one(
    package: Package, provider: str, threads: int, lanes: int, opens: bool
) -> None:
    """Others never ask for it."""
    session = sessions().open(package, Precision.FP32)
    subject = sessions(provider=provider, threads=threads)
    layouts = subject.layouts(package, lanes=lanes, chosen=lambda: (Precision.FP32, session), prepare=prepare)
    assert layouts.may_open is opens
