"""Accuracy on the service's own way (export/measure.py)."""

from dataclasses import replace

import numpy as np
import pytest

from export.errors import SkewTooLarge
from export.evidence import Evidence
from export.measure import check_skew, measure_service, recorded, skew_of
from export.served import Pictures, Served
from service.engine.session import Session
from service.models.manifest import Metrics, Precision
from training.checkpoint import Run
from training.metrics import measure as training_measure


@pytest.fixture
def upside_down(pictures: Pictures) -> Served:
    """A service that turns pictures on their way to the graph."""
    images = pictures.test.images
    return replace(pictures.test, images=replace(images, pixels=np.ascontiguousarray(images.pixels[:, ::-1])))


def test_the_service_reaches_what_training_reached(evidence: Evidence, run: Run) -> None:
    """From PNG files, label by label."""
    trained = run.record.metrics["test"]
    assert evidence.metrics.images == 300
    assert check_skew(evidence.metrics, raw_accuracy=trained.accuracy, raw="training") == 0
    assert evidence.metrics.macro_f1 == pytest.approx(trained.macro_f1, abs=1e-9)
    assert [row.label for row in evidence.metrics.per_label] == list(run.record.labels)
    assert evidence.metrics.confusion == trained.confusion
    assert [row.recall for row in evidence.metrics.per_label] == pytest.approx(
        [row.recall for row in trained.per_label]
    )


def test_the_calibration_error_is_that_of_calibrated_probabilities(
    session: Session, pictures: Pictures, run: Run, evidence: Evidence
) -> None:
    """Another temperature changes it, and nothing else."""
    cold = measure(session, pictures.test, run, temperature=0.1)
    warm = measure(session, pictures.test, run, temperature=evidence.calibration.temperature)
    assert warm == evidence.metrics
    assert cold.ece > warm.ece
    assert cold.accuracy == warm.accuracy


def test_files_that_lost_something_show_as_skew(session: Session, upside_down: Served, run: Run) -> None:
    """In whatever precision: the same graph on the raw pixels is better."""
    served = measure(session, upside_down, run)
    with pytest.raises(
        SkewTooLarge, match=r"its raw pixels give .* in int8: .* points apart, at most 0\.1 are allowed"
    ):
        skew_of(upside_down, served, session=session, precision=Precision.INT8)


def test_a_skew_is_the_difference_from_the_raw_pixels(session: Session, pictures: Pictures, run: Run) -> None:
    """None where the pixels are the same, and none where other ones have the same answers."""
    metrics = measure(session, pictures.test, run)
    assert skew_of(pictures.test, metrics, session=session, precision=Precision.FP16) == 0
    pixels = pictures.test.images.pixels.copy()
    pixels[:, 0, 0] ^= 1
    brighter = replace(pictures.test, images=replace(pictures.test.images, pixels=pixels))
    assert brighter.differing == 300
    assert skew_of(brighter, measure(session, brighter, run), session=session, precision=Precision.FP16) == 0


def test_a_confusion_matrix_of_very_many_labels_is_not_kept() -> None:
    """A hundred labels still have theirs."""
    for count, kept in ((100, 100), (101, 0)):
        labels = np.arange(count)
        names = tuple(map(str, labels))
        metrics = recorded(training_measure(np.eye(count, dtype=np.float32), labels, names=names, split="test"))
        assert len(metrics.confusion) == kept
        assert len(metrics.per_label) == count


@pytest.mark.parametrize(("raw", "refused"), [(0.9, False), (0.901, False), (0.9011, True), (0.8989, True)])
def test_a_tenth_of_a_point_is_allowed(evidence: Evidence, raw: float, refused: bool) -> None:
    """Either way: a gain is as suspicious as a loss."""
    served = evidence.metrics.model_copy(update={"accuracy": 0.9})
    if refused:
        with pytest.raises(SkewTooLarge, match="where training measured it"):
            check_skew(served, raw_accuracy=raw, raw="training measured it")
    else:
        assert check_skew(served, raw_accuracy=raw, raw="") == pytest.approx(0.9 - raw)


def measure(session: Session, served: Served, run: Run, *, temperature: float = 1.0) -> Metrics:
    return measure_service(served, session=session, names=run.record.labels, temperature=temperature)
