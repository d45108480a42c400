"""Puts together what belongs into a package: graph, golden samples, card, and the manifest that describes them."""

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime

from export.card import render_card
from export.draft import Draft
from export.graph import OPSET, OUTPUTS, embedding_size, to_bytes
from service.models.golden import GoldenSamples
from service.models.manifest import (
    GOLDEN_FILE,
    Baseline,
    Calibration,
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
from training.checkpoint import Run
from training.config import Preprocessing
from training.typed_json import encode

GRAPH_FILE = "model.onnx"
CARD_FILE = "card.md"
GOLDEN_TOLERANCE = 1e-3
"""As a share of the largest golden logit. Far more than the export allows itself, because GPUs multiply float32 in TF32
with ten bits: on 10,000 images this moves the logits of fashion_cnn, up to 24, by up to 0.011."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found out about a graph on its way into the package."""

    max_abs_difference: float
    calibration: Calibration
    baseline: Baseline
    golden: GoldenSamples
    metrics: Metrics


def assemble(run: Run, graph: onnx.ModelProto, evidence: Evidence, *, name: str) -> Draft:
    """Puts graph, golden samples and card beside the manifest that holds their digests."""
    files = {
        GRAPH_FILE: to_bytes(graph),
        GOLDEN_FILE: evidence.golden.to_bytes(),
        CARD_FILE: render_card(run, evidence.metrics, evidence.calibration, name=name).encode(),
    }
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
            )
        },
        baseline=evidence.baseline,
        data=TrainingData(name=record.data.name, sha256=record.data.sha256, splits=record.data.splits),
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
