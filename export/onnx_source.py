"""Anyone's ONNX classifier as a model to import: wrapped, to be checked against the untouched file."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime

from export.errors import GraphUnsupported
from export.foreign import LEAST_PROBABILITY, ForeignModel, plain, read_foreign, wrap
from export.given import read_labels, read_preprocessing
from export.graph import describe, to_bytes
from export.source import Source
from export.verify import Logits, Pixels
from service.engine.session import open_runtime
from service.models.manifest import InputSpec, OutputSpec, digest_of

FAMILY = "imported"
PROBES = 4
ROUNDING = 5e-3
"""Of half precision, over many labels."""
PLACE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Fatal error: |/\S+:\d+ .*?\) (?=[A-Z]))?")
"""What an error of the runtime begins with: its own name, code and, for some, the line of its source."""


def read_onnx(path: Path, *, labels: str, preprocessing: str) -> Source:
    """Raises GraphUnsupported or ImportInvalid."""
    model = read_foreign(path)
    names = read_labels(labels, model.labels)
    spec = read_preprocessing(preprocessing, channels=model.channels, height=model.height, width=model.width)
    digest = digest_of(path.read_bytes())
    model = replace(model, probabilities=gives_probabilities(model, spec))
    graph = wrap(model, spec, properties=describe(names, spec, family=FAMILY, digest=digest))
    return Source(
        graph=graph,
        spec=spec,
        labels=names,
        outputs=OutputSpec(logits="logits", embedding=None),
        reference=lambda pixels: plain_logits(model, spec, pixels),
        reference_name="plain ONNX Runtime",
        family=FAMILY,
        opset=next(entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"}),
        parameters=sum(int(np.prod(tensor.dims)) for tensor in model.graph.graph.initializer),
        macs=0,
        digest=digest,
        origin=f"an ONNX file with the SHA-256 `{digest}`, opset {model.opset}",
        one_by_one=model.fixed_batch,
    )


def plain_logits(model: ForeignModel, spec: InputSpec, pixels: Pixels) -> Logits:
    """What ONNX Runtime gives for the untouched graph, one picture at a time, normalised with NumPy."""
    try:
        runtime = open_runtime(to_bytes(plain(model)), provider="CPUExecutionProvider", threads=1)
    except Exception as error:
        raise GraphUnsupported(f"ONNX Runtime cannot load the model: {_reason(error)}") from error
    mean, std = np.array(spec.mean, dtype=np.float32), np.array(spec.std, dtype=np.float32)
    tensors = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    tensors = tensors if model.channels_last else tensors.transpose(0, 3, 1, 2)
    quiet = onnxruntime.RunOptions()
    quiet.log_severity_level = 4  # what fails is said once, by the error
    try:
        rows = [
            runtime.run(None, {model.input: np.ascontiguousarray(tensor[np.newaxis])}, quiet)[0].reshape(1, -1)
            for tensor in tensors
        ]
    except Exception as error:
        hint = "" if model.height and model.width else "; --preprocessing FILE can name another height and width"
        raise GraphUnsupported(
            f"ONNX Runtime cannot run the model on a picture of {spec.height} x {spec.width}: {_reason(error)}{hint}"
        ) from error
    answers = np.concatenate(rows)
    return np.log(answers + np.float32(LEAST_PROBABILITY)) if model.probabilities else answers


def gives_probabilities(model: ForeignModel, spec: InputSpec) -> bool:
    """Whether every row lies in [0, 1] and adds up to one, however the graph may have made it so."""
    shape = (PROBES, spec.height, spec.width, spec.channels)
    answers = plain_logits(model, spec, np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    in_range = answers.min() >= 0 and answers.max() <= 1 + ROUNDING
    return bool(in_range and np.abs(answers.sum(axis=1) - 1).max() <= ROUNDING)


def _reason(error: Exception) -> str:
    """What the runtime says, without the place in its source. It does not read the newest format that onnx writes."""
    reason = PLACE.sub("", " ".join(str(error).split()))
    return f"{reason}; save it with `model.ir_version = 10`" if "max supported IR version" in reason else reason
