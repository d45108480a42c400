"""The way of anyone's ONNX classifier into the repository: read → wrap → compare with plain ONNX Runtime → publish."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from pydantic import ValidationError

from export.assemble import CARD_FILE, GOLDEN_TOLERANCE, GRAPH_FILE, tools
from export.calibrate import baseline
from export.destination import Destination
from export.draft import Draft
from export.errors import DifferenceTooLarge, GraphUnsupported, ImportInvalid
from export.foreign import ForeignModel, plain, read_foreign, wrap
from export.graph import INPUT, to_bytes
from export.measure import prepare_image
from export.publish import Sign, check_name
from export.variants import REASONS
from export.verify import Logits, Pixels, load_session, logits_of, prove
from service.engine.session import open_runtime
from service.errors import ServiceError
from service.models.golden import GoldenSamples
from service.models.manifest import (
    GOLDEN_FILE,
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
from service.models.repository import Package
from training.metrics import measure
from training.typed_json import encode

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"})
MOST_SAMPLES = 64
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
LOGITS = OutputSpec(logits="logits", embedding=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenImages:
    """Encoded images with the index of their label, where each lies in a folder named after it."""

    files: tuple[bytes, ...]
    labels: npt.NDArray[np.int64] | None


def import_model(
    path: Path,
    *,
    labels: Path,
    preprocessing: str,
    images: Path,
    name: str,
    repository: Destination,
    licence: str,
    sign: Sign | None = None,
) -> Package:
    """Publishes the model as the next version of `name`. Raises ExportError; nothing is published then."""
    check_name(name)
    model = read_foreign(path)
    names = read_labels(labels, model.labels)
    spec = read_preprocessing(preprocessing, model)
    given = read_images(images, names)
    properties = {"labels": json.dumps(names, ensure_ascii=False), "preprocessing": spec.model_dump_json()}
    digest = digest_of(path.read_bytes())
    graph = wrap(model, spec, properties={**properties, "digest": digest})
    pixels = _prepared(given, spec, images)
    reference = plain_logits(model, spec, pixels)
    difference = _difference(graph, pixels, reference)
    files = _files(
        graph,
        given,
        reference,
        f"# {name}\n\nImported from an ONNX file with SHA-256 `{digest}`, opset {model.opset}. Licence: {licence}.\n",
    )
    variant = _variant(given, reference, names, difference)
    manifest = Manifest(
        name=name,
        version=1,
        family="imported",
        labels=names,
        input=spec,
        outputs=LOGITS,
        opset=next(entry.version for entry in graph.opset_import if entry.domain in {"", "ai.onnx"}),
        parameters=sum(int(np.prod(tensor.dims)) for tensor in model.graph.graph.initializer),
        macs=0,
        calibration=Calibration(),
        variants={Precision.FP32: variant},
        baseline=baseline(reference, 1.0),
        data=_data(given),
        files={file: FileRecord(sha256=digest_of(content), size_bytes=len(content)) for file, content in files.items()},
        licence=licence,
        created=datetime.now(UTC).replace(microsecond=0),
        tools=tools(),
        source_run=digest,
    )
    return repository.publish(Draft(manifest=manifest, files=files), prove=prove, sign=sign)


def read_labels(path: Path, count: int) -> tuple[str, ...]:
    """A JSON list, or one label a line; a name that comes again is told apart by its number."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if text.lstrip().startswith("[") else text.splitlines()
    except (OSError, ValueError) as error:
        raise ImportInvalid(f"the labels {path} cannot be read as lines of text or a JSON list: {error}") from error
    labels = [str(label).strip() for label in found]
    while labels and not labels[-1]:
        labels.pop()
    if len(labels) != count or not all(labels):
        raise ImportInvalid(
            f"{path} has {sum(map(bool, labels))} labels and the model gives {count} numbers; each needs its label"
        )
    return tuple(
        label if labels.count(label) == 1 else f"{label} ({labels[: index + 1].count(label)})"
        for index, label in enumerate(labels)
    )


def read_preprocessing(given: str, model: ForeignModel) -> InputSpec:
    """`imagenet`, `unit` (pixels in [0, 1]), or a JSON file with the fields of the manifest's `input`."""
    size: dict[str, object] = {
        "height": model.height,
        "width": model.width,
        "pixel_format": "rgb8" if model.channels == 3 else "gray8",
    }
    if given == "imagenet":
        longest = max(model.height, model.width)
        fields = {**size, **IMAGENET, "resize": "shorter_side", "resize_to": round(longest * 256 / 224)}
    elif given == "unit":
        fields = {**size, "mean": (0.0,) * model.channels, "std": (1.0,) * model.channels}
    else:
        fields = {**size, **_fields_of(Path(given))}
    try:
        spec = InputSpec.model_validate({**fields, "tensor": INPUT})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "preprocessing"
        raise ImportInvalid(f"preprocessing {given}: {where}: {first['msg']}") from error
    if (spec.height, spec.width, spec.channels) != (model.height, model.width, model.channels):
        raise ImportInvalid(
            f"preprocessing {given} gives {spec.height} x {spec.width} x {spec.channels}, the model takes "
            f"{model.height} x {model.width} x {model.channels}"
        )
    return spec


def _fields_of(path: Path) -> dict[str, object]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImportInvalid(f"--preprocessing takes imagenet, unit or a JSON file; {path}: {error}") from error
    if not isinstance(fields, dict):
        raise ImportInvalid(
            f"{path} must hold a JSON object with mean and std, and what else `input` of a manifest has"
        )
    return fields


def read_images(directory: Path, names: tuple[str, ...]) -> GivenImages:
    """At most 64, evenly spread. Where all lie in folders named like labels, these are their labels."""
    paths = sorted(path for path in directory.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise ImportInvalid(f"{directory} holds no image; the golden samples are made from those given with --images")
    if len(paths) > MOST_SAMPLES:
        paths = [paths[int(place)] for place in np.linspace(0, len(paths) - 1, MOST_SAMPLES).round()]
    known = {name: index for index, name in enumerate(names)}
    indices = [known.get(path.parent.name) for path in paths]
    labelled = [index for index in indices if index is not None]
    return GivenImages(
        files=tuple(path.read_bytes() for path in paths),
        labels=np.array(labelled, dtype=np.int64) if len(labelled) == len(paths) else None,
    )


def _prepared(given: GivenImages, spec: InputSpec, directory: Path) -> Pixels:
    try:
        return np.stack([prepare_image(file, spec) for file in given.files])
    except ServiceError as error:
        raise ImportInvalid(f"{directory} holds an image that the service would refuse: {error.sentence}") from error


def plain_logits(model: ForeignModel, spec: InputSpec, pixels: Pixels) -> Logits:
    """What ONNX Runtime gives for the untouched graph, one picture at a time, normalised with NumPy."""
    try:
        runtime = open_runtime(to_bytes(plain(model)), provider="CPUExecutionProvider", threads=1)
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise GraphUnsupported(f"ONNX Runtime cannot load the model: {reason}") from error
    mean, std = np.array(spec.mean, dtype=np.float32), np.array(spec.std, dtype=np.float32)
    tensors = ((pixels.astype(np.float32) / np.float32(255) - mean) / std).transpose(0, 3, 1, 2)
    rows = [
        runtime.run(None, {model.input: np.ascontiguousarray(tensor[np.newaxis])})[0].reshape(1, -1)
        for tensor in tensors
    ]
    return np.concatenate(rows)


def _difference(graph: onnx.ModelProto, pixels: Pixels, reference: Logits) -> float:
    """Largest difference of the wrapped graph, in a batch and alone. Raises DifferenceTooLarge."""
    session = load_session(to_bytes(graph), LOGITS)
    together, alone = logits_of(session, pixels), logits_of(session, pixels, batch_size=1)
    difference = float(max(np.abs(together - reference).max(), np.abs(alone - reference).max()))
    if not difference <= GOLDEN_TOLERANCE * float(np.abs(reference).max()):
        raise DifferenceTooLarge(
            f"the imported graph gives logits that differ by {difference:.3g} from those of plain ONNX Runtime; the "
            "model depends on the size of the batch, or on randomness. Nothing was published"
        )
    return difference


def _metrics(given: GivenImages, reference: Logits, names: tuple[str, ...]) -> Metrics:
    answers = reference.argmax(axis=1)
    split = "given images" if given.labels is not None else "given images, agreement with plain ONNX Runtime"
    values = encode(measure(reference, answers if given.labels is None else given.labels, names=names, split=split))
    del values["confusion"]
    return Metrics.model_validate(values)


def _variant(given: GivenImages, reference: Logits, names: tuple[str, ...], difference: float) -> Variant:
    return Variant(
        file=GRAPH_FILE,
        golden_tolerance=GOLDEN_TOLERANCE * float(np.abs(reference).max()),
        metrics=_metrics(given, reference, names),
        max_abs_difference=difference,
        tolerance_reason=REASONS[Precision.FP32],
    )


def _files(graph: onnx.ModelProto, given: GivenImages, reference: Logits, card: str) -> dict[str, bytes]:
    labels = reference.argmax(axis=1).astype(np.int64) if given.labels is None else given.labels
    return {
        GRAPH_FILE: to_bytes(graph),
        GOLDEN_FILE: GoldenSamples(images=given.files, logits=reference, labels=labels).to_bytes(),
        CARD_FILE: card.encode(),
    }


def _data(given: GivenImages) -> TrainingData:
    """Only the given pictures are known; what the model was trained on is not."""
    digest = hashlib.sha256(b"".join(given.files)).hexdigest()
    return TrainingData(name="given images", sha256=digest, splits={"given": len(given.files)})
