"""A run's whole way into the repository (export/pipeline.py)."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export import pipeline
from export.destination import DirectoryDestination
from export.errors import NameInvalid, SkewTooLarge
from export.graph import build_graph
from export.pipeline import Outcome, export_run, is_same
from export.progress import ExportProgress
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, Precision
from service.models.repository import ModelRepository, Package
from training.checkpoint import Run
from training.errors import DataMissing, RunUnreadable


def export(run: Run, repository: Path, progress: ExportProgress, data: Path, *, again: bool = False) -> Outcome:
    return export_run(
        run,
        repository=DirectoryDestination(repository),
        name="clothes",
        data_directory=data,
        again=again,
        progress=progress,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def own_run(run: Run, tmp_path: Path) -> Run:
    """A copy that a test may damage."""
    return Run.load(Path(shutil.copytree(run.directory, tmp_path / "run")))


@pytest.mark.timeout(400)  # three exports, also where others keep the cores busy
def test_a_run_becomes_a_package_once(
    run: Run, repository: Path, progress: ExportProgress, sample_directory: Path, drawn: pytest.MonkeyPatch
) -> None:
    """The second time nothing is done, unless it is asked for; damage is repaired by a new version."""
    first = export(run, repository, progress, sample_directory)
    assert (first.published, first.package.manifest.version) == (True, 1)
    variant = first.package.manifest.variants[Precision.FP32]
    assert variant.max_abs_difference <= 1e-4
    assert variant.metrics.accuracy == run.record.metrics["test"].accuracy
    assert first.package.manifest.baseline.images == 50

    second = export(run, repository, progress, sample_directory / "not needed")
    assert (second.published, second.package) == (False, first.package)

    with drawn.context() as real:
        real.setattr(pipeline, "build_graph", build_graph)
        third = export(run, repository, progress, sample_directory, again=True)
    assert (third.published, third.package.manifest.version) == (True, 2)
    assert third.package.manifest.files == first.package.manifest.files

    (third.package.path / "model.onnx").write_bytes(b"damaged")
    fourth = export(run, repository, progress, sample_directory)
    assert (fourth.published, fourth.package.manifest.version) == (True, 3)
    assert ModelRepository(repository).versions("clothes") == [1, 2, 3]


@pytest.mark.usefixtures("drawn")
def test_a_run_that_claims_another_accuracy_is_not_published(
    run: Run, repository: Path, progress: ExportProgress, sample_directory: Path
) -> None:
    """Half a point more than its weights reach."""
    test = run.record.metrics["test"]
    boasting = replace(run, record=replace(run.record, metrics={"test": replace(test, accuracy=test.accuracy + 0.005)}))
    with pytest.raises(SkewTooLarge):
        export(boasting, repository, progress, sample_directory)
    assert not repository.exists()


def test_weights_damaged_meanwhile_are_noticed(
    own_run: Run, repository: Path, progress: ExportProgress, sample_directory: Path
) -> None:
    """They are checked when they are used."""
    weights = own_run.directory / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunUnreadable, match=r"model\.safetensors is damaged"):
        export(own_run, repository, progress, sample_directory)
    assert not repository.exists()


def test_missing_data_ends_before_any_work(
    run: Run, repository: Path, progress: ExportProgress, tmp_path: Path
) -> None:
    """The directory is named."""
    with pytest.raises(DataMissing, match=str(tmp_path)):
        export(run, repository, progress, tmp_path)
    assert not repository.exists()


def test_a_bad_name_ends_before_any_work(
    run: Run, repository: Path, progress: ExportProgress, sample_directory: Path
) -> None:
    """Nothing outside the repository is touched."""
    with pytest.raises(NameInvalid):
        export_run(
            run,
            repository=DirectoryDestination(repository),
            name="../elsewhere",
            data_directory=sample_directory,
            again=False,
            progress=progress,
        )
    assert not repository.exists()


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("drawn")
def test_other_precisions_are_taken_in_or_left_out(
    run: Run, repository: Path, progress: ExportProgress, sample_directory: Path
) -> None:
    """With their figures, or with the reason; the same wish is not fulfilled twice, another one is."""

    def wish(*precisions: Precision, max_accuracy_loss: float = 5.0) -> Outcome:
        return export_run(
            run,
            repository=DirectoryDestination(repository),
            name="clothes",
            data_directory=sample_directory,
            again=False,
            progress=progress,
            precisions=precisions,
            max_accuracy_loss=max_accuracy_loss,
        )

    manifest = wish(Precision.FP16, Precision.INT8).package.manifest
    assert set(manifest.variants) == {Precision.FP32, Precision.FP16, Precision.INT8}
    variant = manifest.variants[Precision.INT8]
    assert variant.file == "model.int8.onnx"
    assert variant.quantisation is not None
    assert variant.comparison is not None
    assert variant.comparison.images == 50
    assert variant.tolerance_reason
    assert [found.skew for found in manifest.variants.values()] == [0, 0, 0]
    assert_each_has_its_own_logits(ModelRepository(repository).open("clothes", 1))
    assert not wish(Precision.INT8, Precision.FP16).published

    strict = wish(Precision.FP16, max_accuracy_loss=-1.0)
    assert strict.published
    assert not wish(Precision.FP16, max_accuracy_loss=-1.0).published
    wanted = (Precision.FP32, Precision.FP16)
    assert not is_same(strict.package, run, wanted, 5.0)  # another limit may let it in
    assert set(strict.package.manifest.variants) == {Precision.FP32}
    assert "points of accuracy" in strict.package.manifest.left_out[Precision.FP16]


def assert_each_has_its_own_logits(package: Package) -> None:
    """Half precision and int8 give other logits than training, each its own, to within a share of the largest."""
    golden = GoldenSamples.from_bytes(package.read(GOLDEN_FILE))
    assert set(golden.own) == {Precision.FP16, Precision.INT8}
    largest = np.abs(golden.logits).max()
    for precision, logits in golden.own.items():
        assert 0 < np.abs(logits - golden.logits).max() < 0.5 * largest
        assert package.manifest.variants[precision].golden_tolerance <= 0.011 * largest
