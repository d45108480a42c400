"""The way of one run into the repository: run → graph → verify → calibrate → measure → publish."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from export.assemble import Evidence, assemble, input_spec, tools
from export.calibrate import baseline, calibrate
from export.destination import Destination
from export.golden import choose_samples, encode
from export.graph import OPSET, OUTPUTS, build_graph, to_bytes
from export.measure import check_skew, measure_service, prepare_image
from export.progress import ExportProgress
from export.publish import Sign, check_name
from export.variants import (
    FILES,
    MAX_ACCURACY_LOSS,
    REASONS,
    BuiltVariant,
    build_variant,
    compare,
    golden_tolerance,
    reason_against,
    summary,
)
from export.verify import check_difference, load_session, logits_of, prove
from service.engine.session import Session
from service.models.manifest import Calibration, Metrics, Precision, Variant
from service.models.repository import Package
from service.models.variant import Comparison
from training.checkpoint import Run
from training.data import Images, Splits
from training.evaluate import Predictions, predict

STEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The package in the repository; `published` is False when it was there already."""

    package: Package
    published: bool


def export_run(
    run: Run,
    *,
    repository: Destination,
    name: str,
    data_directory: Path | None,
    again: bool,
    progress: ExportProgress,
    precisions: Sequence[Precision] = (Precision.FP32,),
    max_accuracy_loss: float = MAX_ACCURACY_LOSS,
    sign: Sign | None = None,
) -> Outcome:
    """Publishes the run as the next version of `name`, unless the newest one came from the same run and tools.

    fp32 is always part of it. A variant that loses more than `max_accuracy_loss` points is left out.

    Raises ExportError, or TrainingError where run or data cannot be read.
    """
    check_name(name)
    present = repository.newest(name)
    if not again and present is not None and _is_same(present, run, precisions):
        return Outcome(package=present, published=False)
    splits = run.load_splits(data_directory)
    graph = _build(run, progress)
    evidence = _examine(run, graph, splits, progress)
    evidence = _with_variants(run, graph, splits, evidence, precisions, max_accuracy_loss, progress)
    with progress.step("publish") as report:
        package = repository.publish(assemble(run, graph, evidence, name=name), prove=prove, sign=sign)
        report.text = f"version {package.manifest.version}, {len(evidence.golden.images)} golden samples replayed"
    return Outcome(package=package, published=True)


def _is_same(package: Package, run: Run, precisions: Sequence[Precision]) -> bool:
    """Whether an export would give the same files again, as far as that can be told without doing it."""
    manifest = package.manifest
    if {Precision.FP32, *precisions} != {*manifest.variants, *manifest.left_out}:
        return False
    return (manifest.source_run, manifest.opset, manifest.tools) == (run.digest, OPSET, tools())


def _build(run: Run, progress: ExportProgress) -> onnx.ModelProto:
    with progress.step("graph") as report:
        graph = build_graph(run.build_model(), run)
        report.text = f"opset {OPSET}, {len(graph.graph.node)} nodes, {graph.ByteSize():,} bytes"
    return graph


def _examine(run: Run, graph: onnx.ModelProto, splits: Splits, progress: ExportProgress) -> Evidence:
    session = load_session(to_bytes(graph), OUTPUTS)
    with progress.step("verify") as report:
        model, preprocessing = run.build_model(), run.record.preprocessing
        validation = predict(model, splits.validation, preprocessing)
        test = predict(model, splits.test, preprocessing)
        difference = max(
            check_difference(session, images.pixels, predictions.logits)
            for images, predictions in ((splits.validation, validation), (splits.test, test))
        )
        images = len(splits.validation) + len(splits.test)
        report.text = f"logits differ from torch by at most {difference:.2g} over {images:,} images"
    calibration = _calibrate(validation, progress)
    return Evidence(
        max_abs_difference=difference,
        calibration=calibration,
        baseline=baseline(validation.logits, calibration.temperature),
        golden=choose_samples(splits.test, test.logits),
        metrics=_measure(run, session, splits.test, calibration, progress),
        comparison=_comparison(session, splits.validation),
    )


def _comparison(session: Session, validation: Images) -> Comparison:
    logits = logits_of(session, validation.pixels)
    return compare(session, validation, logits, logits)


def _with_variants(
    run: Run,
    graph: onnx.ModelProto,
    splits: Splits,
    evidence: Evidence,
    precisions: Sequence[Precision],
    max_accuracy_loss: float,
    progress: ExportProgress,
) -> Evidence:
    """The evidence with every other precision that was asked for, either taken in or left out."""
    fp32 = evidence.comparison
    others = [precision for precision in Precision if precision in precisions and precision is not Precision.FP32]
    if not others or fp32 is None:
        return evidence
    reference = logits_of(load_session(to_bytes(graph), OUTPUTS), splits.validation.pixels)
    variants: dict[Precision, tuple[onnx.ModelProto, Variant]] = {}
    left_out: dict[Precision, str] = {}
    for precision in others:
        with progress.step(str(precision)) as report:
            built = build_variant(precision, run, graph, splits, reference)
            reason = reason_against(built, fp32, max_accuracy_loss=max_accuracy_loss)
            if reason is not None:
                left_out[precision] = reason
                report.text = f"not published: {reason}"
                continue
            variants[precision] = (built.graph, _described(built, run, splits.test, evidence))
            report.text = summary(built, fp32)
    return replace(evidence, variants=variants, left_out=left_out)


def _described(built: BuiltVariant, run: Run, test: Images, evidence: Evidence) -> Variant:
    """What the manifest says of a variant; its accuracy is measured on the service's way, like that of float32."""
    spec = input_spec(run.record.preprocessing)
    images = np.stack([prepare_image(image, spec) for image in evidence.golden.images])
    return Variant(
        file=FILES[built.precision],
        golden_tolerance=golden_tolerance(built.session, images, evidence.golden.logits, built.precision),
        tolerance_reason=REASONS[built.precision],
        metrics=measure_service(
            [encode(pixels) for pixels in test.pixels],
            test.labels,
            session=built.session,
            spec=spec,
            names=run.record.labels,
            temperature=evidence.calibration.temperature,
        ),
        max_abs_difference=built.max_abs_difference,
        comparison=built.comparison,
        quantisation=built.quantisation,
    )


def _calibrate(validation: Predictions, progress: ExportProgress) -> Calibration:
    with progress.step("calibrate") as report:
        calibration = calibrate(validation.logits, validation.labels)
        report.text = (
            f"temperature {calibration.temperature:.4f}, calibration error on validation "
            f"{calibration.ece_before:.2%} -> {calibration.ece_after:.2%}, "
            f"unknown below {calibration.unknown_threshold:.2%}"
        )
    return calibration


def _measure(run: Run, session: Session, test: Images, calibration: Calibration, progress: ExportProgress) -> Metrics:
    with progress.step("measure") as report:
        metrics = measure_service(
            [encode(pixels) for pixels in test.pixels],
            test.labels,
            session=session,
            spec=input_spec(run.record.preprocessing),
            names=run.record.labels,
            temperature=calibration.temperature,
        )
        skew = check_skew(metrics, trained_accuracy=run.record.metrics["test"].accuracy)
        report.text = (
            f"accuracy {metrics.accuracy:.2%} as served, {skew * 100:+.2f} points from training; "
            f"macro-F1 {metrics.macro_f1:.2%}, calibration error {metrics.ece:.2%}, {metrics.images:,} images"
        )
    return metrics
