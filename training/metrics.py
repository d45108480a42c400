"""A classifier's quality, all of it derived from one confusion matrix and one set of probabilities."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMetrics:
    """One label against all others; a ratio with nothing below the line is 0."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What a model reached on one split."""

    split: str
    images: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error: mean distance of confidence from accuracy over 15 equal bins, weighted by images"""
    per_label: tuple[LabelMetrics, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are true labels, columns are predicted ones"""

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        return wilson_interval(self.accuracy, self.images)


def measure(logits: NDArray[np.float32], labels: NDArray[np.int64], *, names: tuple[str, ...], split: str) -> Metrics:
    """Metrics of the predictions (N, len(names)) for the true labels (N,)."""
    confusion = confusion_matrix(logits.argmax(axis=1), labels, classes=len(names))
    per_label = _per_label(confusion, names)
    return Metrics(
        split=split,
        images=len(labels),
        accuracy=float(np.trace(confusion) / len(labels)),
        macro_f1=math.fsum(row.f1 for row in per_label) / len(per_label),
        ece=calibration_error(softmax(logits), labels),
        per_label=per_label,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_matrix(predicted: NDArray[np.int64], labels: NDArray[np.int64], *, classes: int) -> NDArray[np.int64]:
    """Counts (classes, classes): rows are true labels, columns are predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Expected calibration error over equal bins of confidence, each closed at its upper end."""
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=correct - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(labels))


def wilson_interval(share: float, count: int, *, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a share of `count` trials; 95 % by default."""
    denominator = 1 + z**2 / count
    centre = (share + z**2 / (2 * count)) / denominator
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2)) / denominator
    return max(0.0, centre - half), min(1.0, centre + half)


def _per_label(confusion: NDArray[np.int64], names: tuple[str, ...]) -> tuple[LabelMetrics, ...]:
    hits, supports, predictions = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        LabelMetrics(
            label=name,
            precision=_ratio(hit, predicted),
            recall=_ratio(hit, support),
            f1=_ratio(2 * hit, predicted + support),
            support=support,
        )
        for name, hit, support, predicted in zip(
            names, hits.tolist(), supports.tolist(), predictions.tolist(), strict=True
        )
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
