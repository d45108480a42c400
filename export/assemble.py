"""Puts together what belongs into a package: graph, golden samples, card, and the manifest that describes them."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime

from export.activation import with_class_activation
from export.card import render_card
from export.draft import Draft
from export.graph import OPSET, OUTPUTS, embedding_size, to_bytes
from export.variants import FILES, REASONS
from service.models.golden import GoldenSamples
from service.models.manifest import (
    GOLDEN_FILE,
    Baseline,
    Calibration,
    ExplanationGraph,
    FileRecord,
    InputSpec,
    Manifest,
    Metrics,
    OutputSpec,
    Precision,
    TrainingData,
    Variant,
    digest_of,
)
from service.models.variant import Comparison
from training.checkpoint import Run
from training.config import Preprocessing
from training.typed_json import encode

GRAPH_FILE = FILES[Precision.FP32]
EXPLANATION_FILE = "model.explain.onnx"
CARD_FILE = "card.md"
GOLDEN_TOLERANCE = 1e-4
"""As a share of the largest golden logit. Sessions compute in full float32, whose rounding on another processor moves
logits by some millionths; half a thousandth, as TF32 does, is noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found out about a graph on its way into the package."""

    max_abs_difference: float
    calibration: Calibration
    baseline: Baseline
    golden: GoldenSamples
    metrics: Metrics
    comparison: Comparison | None = None
    """Of the float32 graph with itself: its accuracy and speed."""
    variants: Mapping[Precision, tuple[onnx.ModelProto, Variant]] = field(default_factory=dict)
    """Beside float32."""
    left_out: Mapping[Precision, str] = field(default_factory=dict)


def assemble(run: Run, graph: onnx.ModelProto, evidence: Evidence, *, name: str) -> Draft:
    """Puts graph, golden samples and card beside the manifest that holds their digests."""
    files = {
        GRAPH_FILE: to_bytes(graph),
        **{variant.file: to_bytes(other) for other, variant in evidence.variants.values()},
        GOLDEN_FILE: evidence.golden.to_bytes(),
        CARD_FILE: render_card(run, evidence.metrics, evidence.calibration, name=name).encode(),
    }
    explained = with_class_activation(graph)
    if explained is not None:
        files[EXPLANATION_FILE] = to_bytes(explained)
    record = run.record
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
        variants={
            Precision.FP32: Variant(
                file=GRAPH_FILE,
                golden_tolerance=GOLDEN_TOLERANCE * float(np.abs(evidence.golden.logits).max()),
                metrics=evidence.metrics,
                max_abs_difference=evidence.max_abs_difference,
                tolerance_reason=REASONS[Precision.FP32],
                comparison=evidence.comparison,
            ),
            **{precision: variant for precision, (_, variant) in evidence.variants.items()},
        },
        left_out=dict(evidence.left_out),
        explanation=None if explained is None else ExplanationGraph(file=EXPLANATION_FILE),
        baseline=evidence.baseline,
        data=TrainingData(
            name=record.data.name,
            sha256=record.data.sha256,
            splits=record.data.splits,
            split_seed=record.data.split_seed,
            validation_share=record.data.validation_share,
        ),
        files={file: FileRecord(sha256=digest_of(content), size_bytes=len(content)) for file, content in files.items()},
        licence=record.licence.weights,
        created=datetime.now(UTC).replace(microsecond=0),
        tools=tools(),
        source_run=run.digest,
    )
    return Draft(manifest=manifest, files=files)


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
