"""Puts together what belongs into a package: graph, golden samples, card, and the manifest that describes them."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

import onnx
import onnxruntime

from export.activation import with_class_activation
from export.card import render_card
from export.draft import Draft
from export.evidence import Evidence
from export.graph import OPSET, OUTPUTS, embedding_size, to_bytes
from export.tolerance import REASONS, golden_tolerance
from export.variants import FILES, MAX_ACCURACY_LOSS
from service.models.manifest import (
    GOLDEN_FILE,
    ExplanationGraph,
    FileRecord,
    InputSpec,
    Manifest,
    OutputSpec,
    Precision,
    TrainingData,
    Variant,
    digest_of,
)
from training.checkpoint import Run
from training.config import Preprocessing
from training.typed_json import encode

GRAPH_FILE = FILES[Precision.FP32]
EXPLANATION_FILE = "model.explain.onnx"
CARD_FILE = "card.md"


def assemble(
    run: Run, graph: onnx.ModelProto, evidence: Evidence, *, name: str, max_accuracy_loss: float = MAX_ACCURACY_LOSS
) -> Draft:
    """Puts graph, golden samples and card beside the manifest that holds their digests."""
    record, files = run.record, _files(graph, evidence)
    variants = _variants(evidence)
    sizes = {file: len(content) for file, content in files.items()}
    files[CARD_FILE] = render_card(run, evidence, name=name, variants=variants, sizes=sizes).encode()
    manifest = Manifest(
        name=name,
        version=1,
        family=record.family,
        labels=record.labels,
        input=input_spec(record.preprocessing),
        outputs=OutputSpec(logits=OUTPUTS.logits, embedding=OUTPUTS.embedding, embedding_size=embedding_size(graph)),
        opset=OPSET,
        parameters=record.parameters,
        macs=record.macs,
        calibration=evidence.calibration,
        variants=variants,
        left_out=dict(evidence.left_out),
        max_accuracy_loss=max_accuracy_loss,
        explanation=ExplanationGraph(file=EXPLANATION_FILE) if EXPLANATION_FILE in files else None,
        baseline=evidence.baseline,
        data=_training_data(run),
        files=records_of(files),
        licence=record.licence.weights,
        created=datetime.now(UTC).replace(microsecond=0),
        tools=tools(),
        source_run=run.digest,
    )
    return Draft(manifest=manifest, files=files)


def _files(graph: onnx.ModelProto, evidence: Evidence) -> dict[str, bytes]:
    """All but the card, which tells their sizes."""
    files = {
        GRAPH_FILE: to_bytes(graph),
        **{variant.file: to_bytes(other) for other, variant in evidence.variants.values()},
        GOLDEN_FILE: evidence.golden.to_bytes(),
    }
    explained = with_class_activation(graph)
    if explained is not None:
        files[EXPLANATION_FILE] = to_bytes(explained)
    return files


def _variants(evidence: Evidence) -> dict[Precision, Variant]:
    fp32 = Variant(
        file=GRAPH_FILE,
        golden_tolerance=golden_tolerance(evidence.golden.logits, Precision.FP32),
        metrics=evidence.metrics,
        max_abs_difference=evidence.max_abs_difference,
        tolerance_reason=REASONS[Precision.FP32],
        skew=evidence.skew,
        comparison=evidence.comparison,
    )
    return {Precision.FP32: fp32, **{precision: variant for precision, (_, variant) in evidence.variants.items()}}


def _training_data(run: Run) -> TrainingData:
    data = run.record.data
    return TrainingData(
        name=data.name,
        sha256=data.sha256,
        splits=data.splits,
        split_seed=data.split_seed,
        validation_share=data.validation_share,
    )


def records_of(files: Mapping[str, bytes]) -> dict[str, FileRecord]:
    """Digest and size of each file of a package."""
    return {file: FileRecord(sha256=digest_of(content), size_bytes=len(content)) for file, content in files.items()}


def input_spec(preprocessing: Preprocessing) -> InputSpec:
    """Training's preprocessing in the manifest's words."""
    return InputSpec.model_validate(encode(preprocessing))


def tools() -> dict[str, str]:
    """Versions of everything that decides what comes out of an export."""
    packages = ("recognition", "torch", "onnx", "onnxscript", "numpy", "pillow")
    return {
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,  # which of its distributions is installed does not matter
        **{package: version(package) for package in packages},
    }
