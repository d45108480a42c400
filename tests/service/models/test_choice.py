"""Which variant answers (service/models/choice.py)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.engine.batcher import BatchPolicy
from service.engine.decode import ImageLimits
from service.engine.execution import CPU_PROVIDER, CUDA_PROVIDER, OPENVINO_PROVIDER, TENSORRT_PROVIDER
from service.engine.session import Session
from service.models import choice
from service.models.choice import Candidate, candidates_of, options_for
from service.models.live_model import LiveModel
from service.models.loader import LoadObserver, ModelLoader
from service.models.manifest import FileRecord, Precision, digest_of
from service.models.package import Package, PackageRefused
from service.models.repository import ModelRepository
from service.models.variant import PrecisionChoice
from tests.service.models.observed import Observed
from tests.service.packages import PackageRecipe, graph


@dataclass
class Built:
    """Notes what was built."""

    precisions: list[Precision] = field(default_factory=list)

    def __call__(self, package: Package, precision: Precision) -> Session:
        self.precisions.append(precision)
        manifest = package.manifest
        return Session.load(
            package.read(manifest.variant(precision).file),
            provider=CPU_PROVIDER,
            threads=1,
            tensor=manifest.input.tensor,
            outputs=manifest.outputs,
        )


@pytest.fixture
def package(root: Path) -> Package:
    """With an int8 variant that is in truth the same graph."""
    directory = PackageRecipe().write(root)
    (directory / "model.int8.onnx").write_bytes(graph())
    plain = ModelRepository(root).open("thirds", 1).manifest
    int8 = plain.variants[Precision.FP32].model_copy(update={"file": "model.int8.onnx"})
    record = FileRecord(sha256=digest_of(graph()), size_bytes=len(graph()))
    manifest = plain.model_copy(
        update={
            "variants": {**plain.variants, Precision.INT8: int8},
            "files": {**plain.files, "model.int8.onnx": record},
        }
    )
    (directory / "manifest.json").write_bytes(manifest.to_bytes())
    return ModelRepository(root).open("thirds", 1)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets how many times as fast the rival shall have been."""

    def say(ratio: float) -> None:
        monkeypatch.setattr(choice, "_seconds_of", lambda *_: [ratio, 1.0])

    return say


async def load(package: Package, precision: PrecisionChoice) -> LiveModel:
    observed = Observed()
    with ThreadPoolExecutor(1) as workers:
        loader = ModelLoader(
            provider=CPU_PROVIDER,
            threads=1,
            policy=BatchPolicy(max_batch_size=2),
            limits=ImageLimits(),
            workers=workers,
            observer=LoadObserver(stage=observed.stage, batch=observed.batch),
            precision=precision,
        )
        live = await loader.load(package)
        await live.drain()
    return live


@pytest.mark.parametrize(("ratio", "first"), [(2.0, Precision.INT8), (1.05, Precision.FP32), (0.5, Precision.FP32)])
def test_auto_takes_what_is_faster_here(
    package: Package, measured: Callable[[float], None], ratio: float, first: Precision
) -> None:
    """A tenth at least; float32 stays as the second choice."""
    measured(ratio)
    candidates = candidates_of(package, PrecisionChoice.AUTO, provider=CPU_PROVIDER, build=Built())
    assert candidates[0].precision is first
    assert candidates[-1].precision is Precision.FP32


def test_the_measurement_runs_both(package: Package) -> None:
    """Of two equal graphs neither is ten times as fast."""
    built = Built()
    candidates = [
        Candidate(precision=precision, session=built(package, precision))
        for precision in (Precision.FP32, Precision.INT8)
    ]
    first, second = choice._seconds_of(package.manifest, candidates)
    assert 0.1 < first / second < 10


def test_the_fastest_goes_first_and_says_why(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO computes any float32 graph in bfloat16 too; what gains too little is no candidate."""
    for seconds, order in (
        ([1.0, 0.4, 0.2], [Precision.INT8, Precision.BF16, Precision.FP32]),
        ([1.0, 0.2, 0.95], [Precision.BF16, Precision.FP32]),
        ([1.0, 1.0, 1.0], [Precision.FP32]),
    ):
        monkeypatch.setattr(choice, "_seconds_of", lambda *_, seconds=seconds: seconds)
        found = candidates_of(package, PrecisionChoice.AUTO, provider=OPENVINO_PROVIDER, build=Built())
        assert [candidate.precision for candidate in found] == order
    monkeypatch.setattr(choice, "_seconds_of", lambda *_: [1.0, 0.5, 2.0])
    found = candidates_of(package, PrecisionChoice.AUTO, provider=OPENVINO_PROVIDER, build=Built())
    assert "bf16 2.00 times as fast as fp32, int8 0.50 times" in found[0].reason


def test_bfloat16_is_the_float32_graph_computed_otherwise(package: Package) -> None:
    """The provider is told, the tolerance allows for its rounding, and another provider is refused it."""
    assert options_for(Precision.BF16, {"NUM_STREAMS": "1"}, provider=OPENVINO_PROVIDER) == {
        "NUM_STREAMS": "1",
        "INFERENCE_PRECISION_HINT": "bf16",
    }
    assert options_for(Precision.FP32, None, provider=OPENVINO_PROVIDER) == {}
    fp32, bf16 = (package.manifest.variant(precision) for precision in (Precision.FP32, Precision.BF16))
    assert (bf16.file, bf16.golden_tolerance) == (fp32.file, 400 * fp32.golden_tolerance)
    with pytest.raises(PackageRefused, match="bf16 is computed by OpenVINO only"):
        candidates_of(package, PrecisionChoice.BF16, provider=CPU_PROVIDER, build=Built())


def test_half_precision_is_computed_with_channels_last_on_cuda() -> None:
    """Unless the settings say otherwise; only there, and only in half precision."""
    assert options_for(Precision.FP16, {"device_id": "1"}, provider=CUDA_PROVIDER) == {
        "prefer_nhwc": "1",
        "device_id": "1",
    }
    assert options_for(Precision.FP16, {"prefer_nhwc": "0"}, provider=CUDA_PROVIDER) == {"prefer_nhwc": "0"}
    assert options_for(Precision.FP16, None, provider=TENSORRT_PROVIDER) == {}
    assert options_for(Precision.FP32, None, provider=CUDA_PROVIDER) == {}


def test_what_is_asked_for_is_not_measured(package: Package) -> None:
    """Only that one is built."""
    built = Built()
    candidates_of(package, PrecisionChoice.INT8, provider=CPU_PROVIDER, build=built)
    assert built.precisions == [Precision.INT8]


def test_a_precision_that_is_not_there_is_refused(package: Package) -> None:
    """With those that are, and what to do."""
    with pytest.raises(PackageRefused, match=r"no fp16 variant, only fp32, int8; start with --precision auto"):
        candidates_of(package, PrecisionChoice.FP16, provider=CPU_PROVIDER, build=Built())


async def test_the_model_says_which_precision_answers(package: Package, measured: Callable[[float], None]) -> None:
    """As asked, or as measured."""
    measured(3.0)
    assert (await load(package, PrecisionChoice.FP32)).precision is Precision.FP32
    live = await load(package, PrecisionChoice.AUTO)
    assert (live.precision, live.precision_reason) == (
        Precision.INT8,
        "measured here: int8 3.00 times as fast as fp32",
    )


async def test_auto_falls_back_where_the_golden_samples_disagree(
    package: Package, measured: Callable[[float], None]
) -> None:
    """Asked for by name, the same variant is refused."""
    measured(3.0)
    strict = package.manifest.variants[Precision.INT8].model_copy(update={"golden_tolerance": 1e-30})
    variants = {**package.manifest.variants, Precision.INT8: strict}
    doubtful = Package(
        path=package.path, manifest=package.manifest.model_copy(update={"variants": variants}), digest=package.digest
    )
    assert (await load(doubtful, PrecisionChoice.AUTO)).precision is Precision.FP32
    with pytest.raises(PackageRefused, match="disagree with training"):
        await load(doubtful, PrecisionChoice.INT8)
