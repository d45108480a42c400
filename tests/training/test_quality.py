"""Figures beyond accuracy agree with scikit-learn, and with a count by hand."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support, top_k_accuracy_score

from training.metrics import calibration_error, measure, softmax
from training.quality import (
    assess,
    averages,
    fit_temperature,
    macro,
    reliability,
    temperature_of,
    top_k_accuracy,
    weighted,
    worst_mistakes,
)


def overconfident(count: int = 2000, classes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from softmax(z), logits given as 3 z: the right temperature is 3."""
    generator = np.random.default_rng(0)
    logits = generator.standard_normal((count, classes)) * 2
    probabilities = softmax(logits.astype(np.float32))
    labels = np.array([generator.choice(classes, p=row) for row in probabilities], dtype=np.int64)
    return (3 * logits).astype(np.float32), labels


def test_the_averages_stand_below_the_labels() -> None:
    """With all images."""
    logits, labels = overconfident()
    rows = averages(measure(logits, labels, names=tuple("abcdefgh"), split="test"))
    assert [(row.label, row.support) for row in rows] == [("macro average", 2000), ("weighted average", 2000)]


def test_weighted_and_macro_averages_and_top_5_are_scikit_learns() -> None:
    """To twelve digits, from one confusion matrix."""
    logits, labels = overconfident()
    names = tuple("abcdefgh")
    metrics = measure(logits, labels, names=names, split="test")
    expected = precision_recall_fscore_support(labels, logits.argmax(axis=1), average="weighted")
    plain = precision_recall_fscore_support(labels, logits.argmax(axis=1), average="macro")
    for place, name in enumerate(("precision", "recall", "f1")):
        assert weighted(metrics, name) == pytest.approx(expected[place], abs=1e-12)
        assert macro(metrics, name) == pytest.approx(plain[place], abs=1e-12)
    assert top_k_accuracy(logits, labels, k=5) == pytest.approx(top_k_accuracy_score(labels, logits, k=5), abs=1e-12)


def test_the_temperature_is_found_and_mends_the_calibration() -> None:
    """Three, within the noise of two thousand draws; five classes or fewer have no top-5."""
    logits, labels = overconfident()
    assert fit_temperature(logits, labels) == pytest.approx(3, rel=0.1)
    metrics = measure(logits, labels, names=tuple("abcdefgh"), split="test")
    quality = assess(metrics, (logits, labels), (logits, labels))
    assert quality.ece_after < 0.03 < quality.ece_before
    few = measure(logits[:, :3], labels % 3, names=tuple("abc"), split="test")
    assert assess(few, (logits[:, :3], labels % 3), (logits[:, :3], labels % 3)).top5 is None


def test_answers_that_are_all_right_are_not_made_surer() -> None:
    """Twenty right answers do not show that the next thousand will be; with wrong ones the fit stands."""
    right = np.tile(np.eye(2, dtype=np.float32) * 3, (10, 1))
    assert fit_temperature(right, np.tile([0, 1], 10)) < 0.06
    assert temperature_of(right, np.tile([0, 1], 10)) == 1.0
    logits, labels = overconfident()
    assert temperature_of(logits, labels) == fit_temperature(logits, labels)


def test_the_bins_of_the_diagram_make_up_the_calibration_error() -> None:
    """Weighted by their images."""
    logits, labels = overconfident()
    bins = reliability(logits, labels)
    assert sum(entry.images for entry in bins) == len(labels)
    total = sum(entry.images * abs(entry.accuracy - entry.confidence) for entry in bins) / len(labels)
    assert total == pytest.approx(calibration_error(softmax(logits), labels), abs=1e-12)


def test_the_surest_mistake_comes_first() -> None:
    """Right answers are not among them."""
    logits = np.array([[5, 0], [0, 1], [9, 0], [3, 0]], dtype=np.float32)
    mistakes = worst_mistakes(logits, np.array([0, 0, 1, 1]), count=2)
    assert [(m.index, m.label, m.predicted) for m in mistakes] == [(2, 1, 0), (3, 1, 0)]
    assert mistakes[0].confidence > mistakes[1].confidence
