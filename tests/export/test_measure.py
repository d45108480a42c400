"""Accuracy on the service's own way (export/measure.py)."""

import numpy as np
import pytest

from export.assemble import Evidence, input_spec
from export.errors import SkewTooLarge
from export.golden import encode
from export.measure import check_skew, measure_service, recorded
from service.engine.session import Session
from service.models.manifest import Metrics
from training.checkpoint import Run
from training.data import Splits
from training.metrics import measure as training_measure


def test_the_service_reaches_what_training_reached(evidence: Evidence, run: Run) -> None:
    """From PNG files, label by label."""
    trained = run.record.metrics["test"]
    assert evidence.metrics.images == 300
    assert check_skew(evidence.metrics, trained_accuracy=trained.accuracy) == 0
    assert evidence.metrics.macro_f1 == pytest.approx(trained.macro_f1, abs=1e-9)
    assert [row.label for row in evidence.metrics.per_label] == list(run.record.labels)
    assert evidence.metrics.confusion == trained.confusion
    assert [row.recall for row in evidence.metrics.per_label] == pytest.approx(
        [row.recall for row in trained.per_label]
    )


def test_the_calibration_error_is_that_of_calibrated_probabilities(
    session: Session, splits: Splits, run: Run, evidence: Evidence
) -> None:
    """Another temperature changes it, and nothing else."""
    cold = measure(session, splits, run, temperature=0.1)
    warm = measure(session, splits, run, temperature=evidence.calibration.temperature)
    assert warm == evidence.metrics
    assert cold.ece > warm.ece
    assert cold.accuracy == warm.accuracy


def test_files_that_lost_something_show_as_skew(session: Session, splits: Splits, run: Run) -> None:
    """Pictures upside down on the way to the service."""
    files = [encode(np.ascontiguousarray(pixels[::-1])) for pixels in splits.test.pixels]
    served = measure(session, splits, run, files=files)
    with pytest.raises(SkewTooLarge, match=r"points apart, at most 0\.1 are allowed"):
        check_skew(served, trained_accuracy=run.record.metrics["test"].accuracy)


def test_a_confusion_matrix_of_very_many_labels_is_not_kept() -> None:
    """A hundred labels still have theirs."""
    for count, kept in ((100, 100), (101, 0)):
        labels = np.arange(count)
        names = tuple(map(str, labels))
        metrics = recorded(training_measure(np.eye(count, dtype=np.float32), labels, names=names, split="test"))
        assert len(metrics.confusion) == kept
        assert len(metrics.per_label) == count


@pytest.mark.parametrize(("trained", "refused"), [(0.9, False), (0.901, False), (0.9011, True), (0.8989, True)])
def test_a_tenth_of_a_point_is_allowed(evidence: Evidence, trained: float, refused: bool) -> None:
    """Either way: a gain is as suspicious as a loss."""
    served = evidence.metrics.model_copy(update={"accuracy": 0.9})
    if refused:
        with pytest.raises(SkewTooLarge):
            check_skew(served, trained_accuracy=trained)
    else:
        assert abs(check_skew(served, trained_accuracy=trained)) < 0.0011


def measure(
    session: Session, splits: Splits, run: Run, *, temperature: float = 1.0, files: list[bytes] | None = None
) -> Metrics:
    return measure_service(
        files or [encode(pixels) for pixels in splits.test.pixels],
        splits.test.labels,
        session=session,
        spec=input_spec(run.record.preprocessing),
        names=run.record.labels,
        temperature=temperature,
    )
