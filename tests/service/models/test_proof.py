"""The proof of a variant before it answers (service/models/proof.py)."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.engine.batcher import Tensor
from service.engine.decode import ImageLimits, decode
from service.engine.execution import CPU_PROVIDER
from service.engine.session import Outputs, Session
from service.models import proof
from service.models import sessions as sessions_module
from service.models.choice import Candidate
from service.models.loader import ModelLoader
from service.models.manifest import PixelFormat, Precision
from service.models.package import Package, PackageRefused
from service.models.proof import first_proved, warm_up
from service.models.repository import ModelRepository
from tests.service.packages import GAIN, PackageRecipe, graph


@pytest.fixture
def package(root: Path) -> Package:
    PackageRecipe().write(root)
    return ModelRepository(root).open("thirds", 1)


def candidate(package: Package, content: bytes, reason: str) -> Candidate:
    manifest = package.manifest
    session = Session.load(
        content, provider=CPU_PROVIDER, threads=1, tensor=manifest.input.tensor, outputs=manifest.outputs
    )
    return Candidate(precision=Precision.FP32, session=session, reason=reason)


def prepare(image: bytes) -> Tensor:
    return decode(image, pixel_format=PixelFormat.GRAY8, limits=ImageLimits())[..., np.newaxis]


def test_the_first_that_agrees_is_taken(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best that misses the golden samples is passed over; what the taken one costs is known for each size."""
    monkeypatch.setattr(proof, "CPU_WARM_UP_SECONDS", 60.0)
    wrong = candidate(package, graph(multiplier=2 * GAIN), "fast and wrong")
    right = candidate(package, graph(), "right")
    proved = first_proved(package, (wrong, right), prepare=prepare, largest_batch=4)
    assert proved.candidate.session is right.session
    assert proved.candidate.reason == "right; fp32 was refused by the golden samples"
    assert proved.golden_difference < 1e-4
    assert list(proved.costs) == [1, 2, 4]
    assert first_proved(package, (right, wrong), prepare=prepare, largest_batch=1).candidate is right


def test_where_none_agrees_the_last_says_why(package: Package) -> None:
    """Nothing is served that is not what was trained."""
    wrong = candidate(package, graph(multiplier=2 * GAIN), "wrong")
    with pytest.raises(PackageRefused, match="disagree with training"):
        first_proved(package, (wrong, wrong), prepare=prepare, largest_batch=1)


def test_a_slow_model_is_ready_sooner_on_the_cpu(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time for it is over, no larger size is tried; what took long is run twice, as the first says little."""
    session, spec = candidate(package, graph(), "").session, package.manifest.input
    monkeypatch.setattr(proof, "LARGE_SECONDS", 3600.0)
    monkeypatch.setattr(proof, "CPU_WARM_UP_SECONDS", -1.0)
    assert warm_up(session, spec, 64) == {}
    runs: list[int] = []

    def slow(images: Tensor) -> Outputs:
        runs.append(len(images))
        return Outputs(logits=np.zeros((len(images), 3), dtype=np.float32), embeddings=None)

    monkeypatch.setattr(session, "run", slow)
    monkeypatch.setattr(proof, "CPU_WARM_UP_SECONDS", 60.0)
    monkeypatch.setattr(proof, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(proof, "AGAIN_SECONDS", -1.0)
    assert (list(warm_up(session, spec, 4)), runs) == ([1, 2, 4], [1, 1, 1, 1, 2, 2, 4, 4])


@pytest.mark.parametrize(
    ("seconds", "largest", "sizes"),
    [(0.014, 64, [1, 8, 8, 1, 8]), (0.014, 4, [1, 4, 4, 1, 4]), (0.040, 64, [1, 2, 2, 1, 2]), (1.0, 64, [1])],
)
def test_two_sizes_of_a_large_model_are_measured_in_turns(
    package: Package, monkeypatch: pytest.MonkeyPatch, seconds: float, largest: int, sizes: list[int]
) -> None:
    """Each twice, after a first run that is not counted or only for what it took less."""
    session, spec = candidate(package, graph(), "").session, package.manifest.input
    runs: list[int] = []
    now = 0.0

    def slow(images: Tensor) -> Outputs:
        nonlocal now
        first = len(images) not in runs
        runs.append(len(images))
        now += seconds * len(images) * (0.9 if len(images) > 1 else 1.0) * (1.5 if first else 1.0)
        return Outputs(logits=np.zeros((len(images), 3), dtype=np.float32), embeddings=None)

    monkeypatch.setattr(session, "run", slow)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    costs = warm_up(session, spec, largest)
    assert runs == [1, *sizes]
    assert costs == pytest.approx({size: seconds * size * (0.9 if size > 1 else 1.0) for size in {1, sizes[-1]}})
    assert now < 0.5 or seconds == 1.0


async def test_all_sizes_of_batches_are_run_before_the_first_request(
    root: Path, loader: ModelLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Powers of two up to the largest batch, after the golden samples alone and together."""
    sizes: list[int] = []

    class Noting(Session):
        def run(self, images: Tensor) -> Outputs:
            sizes.append(len(images))
            return super().run(images)

    monkeypatch.setattr(sessions_module, "Session", Noting)
    monkeypatch.setattr(proof, "CPU_WARM_UP_SECONDS", 60.0)
    PackageRecipe().write(root)
    live = await loader.load(ModelRepository(root).open("thirds", 1))
    assert {1, 2, 4, 18} <= set(sizes)
    assert max(size for size in sizes if size != 18) == 4
    assert sizes.count(4) >= 1
    await live.drain()


def test_a_quick_model_that_was_held_up_once_is_not_taken_for_a_large_one(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of its sizes are measured."""
    session, spec = candidate(package, graph(), "").session, package.manifest.input
    times = iter([0.0, 1.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times, 1.0))
    assert list(warm_up(session, spec, 4)) == [1, 2, 4]


def test_what_one_size_met_at_first_does_not_stay_its_cost(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else had the core while it was run three times; the others had it to themselves."""
    session, spec = candidate(package, graph(), "").session, package.manifest.input
    monkeypatch.setattr(proof, "CPU_WARM_UP_SECONDS", 60.0)
    turns: set[float] = set()
    runs: list[int] = []
    now = 0.0

    def run(images: Tensor) -> Outputs:
        nonlocal now
        turns.add(sys.getswitchinterval())
        now += 0.001 * len(images) + (0.005 if len(images) == 2 and runs.count(2) < proof.WARM_UP_RUNS else 0.0)
        runs.append(len(images))
        return Outputs(logits=np.zeros((len(images), 3), dtype=np.float32), embeddings=None)

    monkeypatch.setattr(session, "run", run)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert warm_up(session, spec, 4) == pytest.approx({1: 0.001, 2: 0.002, 4: 0.004})
    assert max(turns) < proof.TURN_SECONDS == sys.getswitchinterval()


def test_what_batches_cost_is_measured_for_one_model_after_the_other(package: Package) -> None:
    """On the CPU: side by side each would take the cores from the other, and seem to be dearer than it is."""
    spec = package.manifest.input
    inside: list[int] = []
    most: list[int] = []

    class Noting(Session):
        def run(self, images: Tensor) -> Outputs:
            inside.append(len(images))
            most.append(len(inside))
            time.sleep(0.002)  # so long that the other one would come in
            outputs = super().run(images)
            inside.pop()
            return outputs

    session = candidate(package, graph(), "").session
    noting = Noting(session._runtime, tensor=spec.tensor, outputs=package.manifest.outputs)
    with ThreadPoolExecutor(2) as pool:
        costs = list(pool.map(lambda _: warm_up(noting, spec, 4), range(2)))
    assert [list(sizes) for sizes in costs] == [[1, 2, 4]] * 2
    assert set(most) == {1}
