"""One small real run, and what each step of its export makes of it."""

import io
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import onnx
import pytest
import torch
from rich.console import Console

from export import pipeline, variants
from export.assemble import assemble, input_spec
from export.calibrate import baseline, calibrate
from export.draft import Draft
from export.evidence import Evidence
from export.golden import choose_samples
from export.graph import OUTPUTS, build_graph, to_bytes
from export.measure import measure_service
from export.progress import ExportProgress
from export.served import Pictures, serve_splits
from export.verify import load_session
from service.engine.session import Session
from tests.export.families import Families, export_family
from training.checkpoint import Run
from training.config import DataConfig
from training.data import Splits
from training.evaluate import Predictions, predict
from training.fit import fit
from training.progress import FitProgress
from training.recipes import fashion_cnn

SAMPLE_DIRECTORY = Path(__file__).parents[1] / "data" / "fashion-mnist-sample"


@pytest.fixture(scope="session")
def sample_directory() -> Path:
    return SAMPLE_DIRECTORY


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on the sample; tests that damage it copy its directory first."""
    recipe = replace(fashion_cnn(), data=DataConfig(name="fashion-mnist-sample"), epochs=8)
    return fit(
        recipe,
        seed=0,
        output=tmp_path_factory.mktemp("runs") / "fashion_cnn",
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=FitProgress(Console(file=io.StringIO())),
    ).run


@pytest.fixture(scope="session")
def splits(run: Run) -> Splits:
    return run.load_splits(SAMPLE_DIRECTORY)


@pytest.fixture(scope="session")
def pictures(run: Run, splits: Splits) -> Pictures:
    """The splits as training had them and as the service gets them."""
    return serve_splits(splits, splits, input_spec(run.record.preprocessing))


@pytest.fixture(scope="session")
def validation(run: Run, splits: Splits) -> Predictions:
    return predict(run.build_model(), splits.validation, run.record.preprocessing)


@pytest.fixture(scope="session")
def test(run: Run, splits: Splits) -> Predictions:
    """Of torch, for the test split."""
    return predict(run.build_model(), splits.test, run.record.preprocessing)


@pytest.fixture(scope="session")
def graph(run: Run) -> onnx.ModelProto:
    return build_graph(run.build_model(), run)


@pytest.fixture
def drawn(graph: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Exports take the graph that torch has drawn of this run already, which takes seconds; undone, they do not."""

    def copied(*_: object) -> onnx.ModelProto:
        own = onnx.ModelProto()
        own.CopyFrom(graph)
        return own

    monkeypatch.setattr(pipeline, "build_graph", copied)
    return monkeypatch


@pytest.fixture(scope="session")
def families(run: Run, splits: Splits) -> Families:
    """Other families than that of the run, each drawn once: that takes seconds."""
    return cache(lambda form: export_family(form, run, splits))


@pytest.fixture(scope="session")
def session(graph: onnx.ModelProto) -> Session:
    return load_session(to_bytes(graph), OUTPUTS)


@pytest.fixture(scope="session")
def evidence(run: Run, pictures: Pictures, session: Session, validation: Predictions, test: Predictions) -> Evidence:
    calibration = calibrate(validation.logits, validation.labels)
    metrics = measure_service(
        pictures.test, session=session, names=run.record.labels, temperature=calibration.temperature
    )
    return Evidence(
        max_abs_difference=1e-6,
        calibration=calibration,
        baseline=baseline(validation.logits, calibration.temperature),
        golden=choose_samples(pictures.test.raw, test.logits, input_spec(run.record.preprocessing)),
        metrics=metrics,
    )


@pytest.fixture(scope="session")
def draft(run: Run, graph: onnx.ModelProto, evidence: Evidence) -> Draft:
    return assemble(run, graph, evidence, name="clothes")


@pytest.fixture(autouse=True)
def _short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """How fast a graph is was measured for a second each time; nothing here depends on how well."""
    monkeypatch.setattr(variants, "SPEED_SECONDS", 0.05)


@pytest.fixture
def progress() -> ExportProgress:
    return ExportProgress(Console(file=io.StringIO()), steps=5)


@pytest.fixture
def altered(draft: Draft) -> Callable[..., Draft]:
    """The draft with other content for some files, and a manifest whose digests fit them."""
    from service.models.manifest import FileRecord, digest_of

    def alter(**files: bytes) -> Draft:
        contents = draft.files | {name.replace("_", "."): content for name, content in files.items()}
        records = {
            name: FileRecord(sha256=digest_of(content), size_bytes=len(content)) for name, content in contents.items()
        }
        return Draft(manifest=draft.manifest.model_copy(update={"files": records}), files=contents)

    return alter
