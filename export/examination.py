"""The examination of a run's graphs: float32 against torch, every other precision against float32, and all of them as
the service will compute them from encoded files.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx

from export.assemble import input_spec
from export.calibrate import baseline, calibrate
from export.evidence import Evidence
from export.golden import choose_samples
from export.graph import OUTPUTS, to_bytes
from export.measure import check_skew, measure_service, skew_of
from export.progress import ExportProgress
from export.served import Pictures, Served, prepare_images
from export.tolerance import REASONS, golden_tolerance
from export.variants import FILES, BuiltVariant, build_variant, compare, reason_against, summary
from export.verify import Logits, check_difference, load_session, logits_of
from service.engine.session import Session
from service.models.golden import GoldenSamples
from service.models.manifest import Calibration, Metrics, Precision, Variant
from service.models.variant import Comparison
from training.checkpoint import Run
from training.evaluate import Predictions, predict


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One run, its float32 graph and its images; every step is reported."""

    run: Run
    graph: onnx.ModelProto
    pictures: Pictures
    progress: ExportProgress

    def float32(self) -> Evidence:
        """What speaks for the float32 graph. Raises DifferenceTooLarge or SkewTooLarge."""
        session = load_session(to_bytes(self.graph), OUTPUTS)
        validation, test, difference = self._verified(session)
        calibration = self._calibrated(validation)
        metrics, skew = self._measured(session, calibration)
        return Evidence(
            max_abs_difference=difference,
            calibration=calibration,
            baseline=baseline(validation.logits, calibration.temperature),
            golden=choose_samples(self.pictures.test.raw, test.logits, input_spec(self.run.record.preprocessing)),
            metrics=metrics,
            skew=skew,
            comparison=_comparison(session, self.pictures.validation),
        )

    def with_variants(self, fp32: Evidence, precisions: Sequence[Precision], *, max_accuracy_loss: float) -> Evidence:
        """The evidence with each of the precisions beside float32 either taken in or left out, with the reason."""
        if not precisions or fp32.comparison is None:
            return fp32
        session = load_session(to_bytes(self.graph), OUTPUTS)
        reference = logits_of(session, self.pictures.validation.images.pixels)
        variants: dict[Precision, tuple[onnx.ModelProto, Variant]] = {}
        expected: dict[Precision, Logits] = {}
        left_out: dict[Precision, str] = {}
        for precision in precisions:
            with self.progress.step(str(precision)) as report:
                built = build_variant(precision, self.run, self.graph, self.pictures, reference)
                reason = reason_against(built, fp32.comparison, max_accuracy_loss=max_accuracy_loss)
                if reason is not None:
                    left_out[precision] = reason
                    report.text = f"not published: {reason}"
                    continue
                expected[precision] = self._expected(built.session, fp32.golden)
                variants[precision] = (built.graph, self._described(built, fp32, expected[precision]))
                report.text = summary(built, fp32.comparison)
        golden = replace(fp32.golden, own=expected)
        return replace(fp32, variants=variants, left_out=left_out, golden=golden)

    def _verified(self, session: Session) -> tuple[Predictions, Predictions, float]:
        """Torch's predictions for the validation and the test split, and by how much the graph misses them."""
        with self.progress.step("verify") as report:
            model, preprocessing = self.run.build_model(), self.run.record.preprocessing
            splits = (self.pictures.validation.raw, self.pictures.test.raw)
            validation, test = (predict(model, images, preprocessing) for images in splits)
            difference = max(
                check_difference(session, images.pixels, predictions.logits)
                for images, predictions in zip(splits, (validation, test), strict=True)
            )
            images = sum(map(len, splits))
            report.text = f"logits differ from torch by at most {difference:.2g} over {images:,} images"
        return validation, test, difference

    def _calibrated(self, validation: Predictions) -> Calibration:
        with self.progress.step("calibrate") as report:
            calibration = calibrate(validation.logits, validation.labels)
            report.text = (
                f"temperature {calibration.temperature:.4f}, calibration error on validation "
                f"{calibration.ece_before:.2%} -> {calibration.ece_after:.2%}, "
                f"unknown below {calibration.unknown_threshold:.2%}"
            )
        return calibration

    def _measured(self, session: Session, calibration: Calibration) -> tuple[Metrics, float]:
        with self.progress.step("measure") as report:
            metrics = self._metrics(session, calibration)
            trained = self.run.record.metrics["test"].accuracy
            skew = check_skew(metrics, raw_accuracy=trained, raw=f"training measured {trained:.2%}")
            report.text = (
                f"accuracy {metrics.accuracy:.2%} as served, {skew * 100:+.2f} points from training; "
                f"macro-F1 {metrics.macro_f1:.2%}, calibration error {metrics.ece:.2%}, {metrics.images:,} images"
            )
        return metrics, skew

    def _metrics(self, session: Session, calibration: Calibration) -> Metrics:
        return measure_service(
            self.pictures.test,
            session=session,
            names=self.run.record.labels,
            temperature=calibration.temperature,
        )

    def _expected(self, session: Session, golden: GoldenSamples) -> Logits:
        """What the variant gives for the golden samples, on the service's way."""
        return logits_of(session, prepare_images(golden.images, input_spec(self.run.record.preprocessing)))

    def _described(self, built: BuiltVariant, fp32: Evidence, expected: Logits) -> Variant:
        """What the manifest says of a variant; its accuracy is measured on the service's way, like that of float32."""
        metrics = self._metrics(built.session, fp32.calibration)
        return Variant(
            file=FILES[built.precision],
            golden_tolerance=golden_tolerance(expected, built.precision),
            tolerance_reason=REASONS[built.precision],
            metrics=metrics,
            max_abs_difference=built.max_abs_difference,
            skew=skew_of(self.pictures.test, metrics, session=built.session, precision=built.precision),
            comparison=built.comparison,
            quantisation=built.quantisation,
        )


def _comparison(session: Session, validation: Served) -> Comparison:
    logits = logits_of(session, validation.images.pixels)
    return compare(session, validation.images, logits, logits)
