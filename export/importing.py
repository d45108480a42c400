"""The way of anyone's classifier into the repository: read → compare with the untouched model → quantise → publish."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from export.activation import with_class_activation
from export.assemble import CARD_FILE, EXPLANATION_FILE, GRAPH_FILE, records_of, tools
from export.calibrate import baseline
from export.card import render_import_card
from export.destination import Destination
from export.draft import Draft
from export.errors import DifferenceTooLarge, ImportInvalid
from export.given import GivenImages, prepared, read_images
from export.golden import MIN_SAMPLES
from export.graph import to_bytes
from export.imported_variants import Left, build_imported
from export.measure import recorded
from export.publish import Sign, check_name
from export.quantize import CALIBRATION_IMAGES, calibration_images
from export.source import Source
from export.tolerance import REASONS, golden_tolerance
from export.variants import FILES, BuiltVariant, compare
from export.verify import Logits, Pixels, load_session, logits_of, prove
from export.wish import Wish
from service.models.golden import GoldenSamples
from service.models.manifest import (
    GOLDEN_FILE,
    Calibration,
    ExplanationGraph,
    Manifest,
    Metrics,
    Precision,
    TrainingData,
    Variant,
)
from service.models.repository import Package
from training.data import Images
from training.metrics import measure

MOST_COMPARED = 256
"""So many of the given pictures are computed in every precision; 64 of them become golden samples."""
MOST_SAMPLES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The given pictures: as files, as the model takes them with a label each, and the untouched model's logits."""

    files: GivenImages
    images: Images
    reference: Logits

    @property
    def golden(self) -> npt.NDArray[np.int64]:
        """Which of them become golden samples."""
        count = min(len(self.images), MOST_SAMPLES)
        return np.linspace(0, len(self.images) - 1, count).round().astype(np.int64)


def import_model(wish: Wish, repository: Destination, *, sign: Sign | None = None) -> Package:
    """Publishes the model as the next version of its name. Raises ExportError; nothing is published then."""
    check_name(wish.name)
    source = wish.source()
    given = _given(wish, source)
    difference = _difference(source, given)
    built: list[BuiltVariant] = []
    left_out: dict[Precision, str] = {}
    others = [precision for precision in wish.precisions if precision is not Precision.FP32]
    if others:
        calibration = _calibration(wish, source, given)
        allowed = None if given.files.labels is None else wish.max_accuracy_loss
        for outcome in build_imported(
            source, given.images, given.reference, others, calibration, max_accuracy_loss=allowed
        ):
            if isinstance(outcome, Left):
                left_out[outcome.precision] = outcome.reason
            else:
                built.append(outcome)
    return repository.publish(_draft(wish, source, given, difference, built, left_out), prove=prove, sign=sign)


def _given(wish: Wish, source: Source) -> Given:
    files = read_images(wish.images, source.labels, most=MOST_COMPARED)
    pixels = prepared(files, source.spec, wish.images)
    reference = source.reference(pixels)
    labels = reference.argmax(axis=1).astype(np.int64) if files.labels is None else files.labels
    given = Given(files=files, images=Images(pixels=pixels, labels=labels), reference=reference)
    _check_logits(reference[given.golden])
    return given


def _check_logits(logits: Logits) -> None:
    """Raises ImportInvalid where nothing could be compared with them."""
    largest = np.abs(logits).max()
    if not 0 < largest < np.inf:
        fault = "0 for every label of every picture" if largest == 0 else "logits that are no finite numbers"
        raise ImportInvalid(
            f"the model gives {fault}; is --preprocessing what it was trained with, and the file whole?"
        )


def _calibration(wish: Wish, source: Source, given: Given) -> Pixels:
    pixels = given.images.pixels
    if wish.calibration is not None:
        others = read_images(wish.calibration, source.labels, most=CALIBRATION_IMAGES)
        pixels = prepared(others, source.spec, wish.calibration)
    if len(pixels) < MIN_SAMPLES and Precision.INT8 in wish.precisions:
        raise ImportInvalid(
            f"int8 needs at least {MIN_SAMPLES} pictures to choose its ranges by, there are {len(pixels)}; "
            "name more with --calibration"
        )
    return calibration_images(pixels)


def _difference(source: Source, given: Given) -> float:
    """Largest difference of the graph, in batches and alone. Raises DifferenceTooLarge."""
    session, reference, golden = load_session(to_bytes(source.graph), source.outputs), given.reference, given.golden
    together = np.abs(logits_of(session, given.images.pixels) - reference).max()
    alone = np.abs(logits_of(session, given.images.pixels[golden], batch_size=1) - reference[golden]).max()
    difference = float(max(together, alone))
    if not difference <= golden_tolerance(reference, Precision.FP32):
        raise DifferenceTooLarge(
            f"the imported graph gives logits that differ by {difference:.3g} from those of {source.reference_name}; "
            "the model depends on the size of the batch, or on randomness. Nothing was published"
        )
    return difference


def _draft(
    wish: Wish,
    source: Source,
    given: Given,
    difference: float,
    built: Sequence[BuiltVariant],
    left_out: dict[Precision, str],
) -> Draft:
    files = _files(source, given, built)
    variants = dict(_described(source, given, difference, built))
    sizes = {file: len(content) for file, content in files.items()}
    files[CARD_FILE] = render_import_card(
        name=wish.name, origin=source.origin, licence=wish.licence, variants=variants, left_out=left_out, sizes=sizes
    ).encode()
    manifest = Manifest(
        name=wish.name,
        version=1,
        family=source.family,
        labels=source.labels,
        input=source.spec,
        outputs=source.outputs,
        opset=source.opset,
        parameters=source.parameters,
        macs=source.macs,
        calibration=Calibration(),
        variants=variants,
        left_out=left_out,
        max_accuracy_loss=wish.max_accuracy_loss,
        explanation=ExplanationGraph(file=EXPLANATION_FILE) if EXPLANATION_FILE in files else None,
        baseline=baseline(given.reference, 1.0),
        data=_data(given.files),
        files=records_of(files),
        licence=wish.licence,
        created=datetime.now(UTC).replace(microsecond=0),
        tools=tools(),
        source_run=source.digest,
    )
    return Draft(manifest=manifest, files=files)


def _files(source: Source, given: Given, built: Sequence[BuiltVariant]) -> dict[str, bytes]:
    """All but the card, which tells their sizes."""
    chosen = given.golden
    golden = GoldenSamples(
        images=tuple(given.files.files[index] for index in chosen),
        logits=given.reference[chosen],
        labels=given.images.labels[chosen],
        own={other.precision: other.logits[chosen] for other in built},
    )
    files = {
        GRAPH_FILE: to_bytes(source.graph),
        **{FILES[other.precision]: to_bytes(other.graph) for other in built},
        GOLDEN_FILE: golden.to_bytes(),
    }
    explained = with_class_activation(source.graph) if source.outputs.embedding is not None else None
    if explained is not None:
        files[EXPLANATION_FILE] = to_bytes(explained)
    return files


def _described(
    source: Source, given: Given, difference: float, built: Sequence[BuiltVariant]
) -> Iterator[tuple[Precision, Variant]]:
    session = load_session(to_bytes(source.graph), source.outputs)
    yield (
        Precision.FP32,
        Variant(
            file=GRAPH_FILE,
            golden_tolerance=golden_tolerance(given.reference[given.golden], Precision.FP32),
            metrics=_metrics(source, given, given.reference),
            max_abs_difference=difference,
            tolerance_reason=REASONS[Precision.FP32],
            comparison=compare(session, given.images, given.reference, given.reference),
        ),
    )
    for other in built:
        variant = Variant(
            file=FILES[other.precision],
            golden_tolerance=golden_tolerance(other.logits[given.golden], other.precision),
            metrics=_metrics(source, given, other.logits),
            max_abs_difference=other.max_abs_difference,
            tolerance_reason=REASONS[other.precision],
            comparison=other.comparison,
            quantisation=other.quantisation,
        )
        yield other.precision, variant


def _metrics(source: Source, given: Given, logits: Logits) -> Metrics:
    known = given.files.labels is not None
    split = "given images" if known else f"given images, agreement with {source.reference_name}"
    return recorded(measure(logits, given.images.labels, names=source.labels, split=split))


def _data(given: GivenImages) -> TrainingData:
    """Only the given pictures are known; what the model was trained on is not."""
    digest = hashlib.sha256(b"".join(given.files)).hexdigest()
    return TrainingData(name="given images", sha256=digest, splits={"given": len(given.files)})
