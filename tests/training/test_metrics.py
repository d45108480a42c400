"""The figures agree with scikit-learn and with the definitions."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

from training.metrics import calibration_error, measure, softmax, wilson_interval

NAMES = tuple("abcdefg")


def random_predictions(seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits of a mediocre classifier; label "g" is never predicted and label "f" never true."""
    generator = np.random.default_rng(seed)
    labels = generator.choice([0, 1, 2, 3, 4, 6], size=500, p=[0.4, 0.3, 0.1, 0.1, 0.05, 0.05])
    logits = generator.normal(size=(500, 7)).astype(np.float32)
    logits[np.arange(500), labels] += 1.5
    logits[:, 6] = -10
    return logits, labels


@pytest.mark.parametrize("seed", range(5))
def test_every_figure_equals_scikit_learn(seed: int) -> None:
    """To 1e-12, with labels that are never predicted or never true among them."""
    logits, labels = random_predictions(seed)
    predicted = logits.argmax(axis=1)
    ours = measure(logits, labels, names=NAMES, split="test")
    rows = reference.precision_recall_fscore_support(labels, predicted, labels=range(7), zero_division=0.0)
    for row, precision, recall, f1, support in zip(ours.per_label, *rows, strict=True):
        assert row.precision == pytest.approx(precision, abs=1e-12)
        assert row.recall == pytest.approx(recall, abs=1e-12)
        assert row.f1 == pytest.approx(f1, abs=1e-12)
        assert row.support == support
    macro = reference.f1_score(labels, predicted, labels=range(7), average="macro", zero_division=0.0)
    assert ours.macro_f1 == pytest.approx(macro, abs=1e-12)
    assert ours.accuracy == pytest.approx(reference.accuracy_score(labels, predicted), abs=1e-12)
    assert np.array_equal(ours.confusion, reference.confusion_matrix(labels, predicted, labels=range(7)))


def test_the_confusion_matrix_has_true_labels_as_rows() -> None:
    """One picture of "a" taken for "b"."""
    confusion = measure(
        np.array([[0.0, 1.0]], dtype=np.float32), np.array([0], dtype=np.int64), names=("a", "b"), split="test"
    ).confusion
    assert confusion == ((0, 1), (0, 0))


def test_calibration_error_of_a_worked_example() -> None:
    """Two bins: four answers at 0.9 with three right, two at 0.6 with none right."""
    best = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    labels = np.array([0, 0, 0, 1, 1, 1], dtype=np.int64)
    expected = (4 * abs(0.75 - 0.9) + 2 * abs(0.0 - 0.6)) / 6
    assert calibration_error(np.stack([best, 1 - best], axis=1), labels) == pytest.approx(expected, abs=1e-12)


def test_a_classifier_that_is_as_sure_as_it_is_right_has_no_calibration_error() -> None:
    """Half right at even odds."""
    probabilities = np.full((10, 2), 0.5)
    assert calibration_error(probabilities, np.arange(10, dtype=np.int64) % 2) == pytest.approx(0.0, abs=1e-12)


def test_softmax_survives_large_logits() -> None:
    """Sums to one without overflow."""
    assert softmax(np.array([[1000.0, 1000.0]], dtype=np.float32)).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(("share", "count"), [(0.918, 10_000), (0.5, 20), (1.0, 300), (0.0, 300)])
def test_the_interval_ends_where_the_share_is_1_96_standard_errors_away(share: float, count: int) -> None:
    """Wilson's definition; it stays inside [0, 1] at the extremes."""
    for end in wilson_interval(share, count):
        assert 0 <= end <= 1
        assert abs(share - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / count), abs=1e-7)
