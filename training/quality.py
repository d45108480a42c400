"""What a report says beyond the metrics of a record: top-5, weighted averages, temperature, reliability, mistakes.

All of it follows from saved logits and labels, so nothing is predicted again.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics import CALIBRATION_BINS, LabelMetrics, Metrics, calibration_error, softmax

Logits = NDArray[np.float32]
Labels = NDArray[np.int64]
TEMPERATURES = (0.05, 20.0)
"""The temperature is sought between these; where every answer is right, nothing else would bound it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Predictions whose confidence lies in one of the equal bins."""

    lower: float
    upper: float
    images: int
    confidence: float
    """mean over the bin"""
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """An image that the model is wrong about."""

    index: int
    label: int
    predicted: int
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Of the test split; the temperature comes from the validation split."""

    top5: float | None
    """share of images whose label is among the five likeliest; None for five classes or fewer"""
    macro_precision: float
    macro_recall: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    temperature: float
    ece_before: float
    ece_after: float


def assess(metrics: Metrics, test: tuple[Logits, Labels], validation: tuple[Logits, Labels]) -> Quality:
    """`metrics` are those of the test split."""
    logits, labels = test
    temperature = temperature_of(*validation)
    return Quality(
        top5=top_k_accuracy(logits, labels, k=5) if logits.shape[1] > 5 else None,
        macro_precision=macro(metrics, "precision"),
        macro_recall=macro(metrics, "recall"),
        weighted_precision=weighted(metrics, "precision"),
        weighted_recall=weighted(metrics, "recall"),
        weighted_f1=weighted(metrics, "f1"),
        temperature=temperature,
        ece_before=calibration_error(softmax(logits), labels),
        ece_after=calibration_error(softmax((logits / temperature).astype(np.float32)), labels),
    )


def top_k_accuracy(logits: Logits, labels: Labels, *, k: int) -> float:
    """The label's own logit counts as found when fewer than k are larger."""
    own = logits[np.arange(len(labels)), labels]
    return float(np.mean((logits > own[:, None]).sum(axis=1) < k))


def weighted(metrics: Metrics, ratio: str) -> float:
    """Mean over the labels, each weighed by its images."""
    values: list[tuple[float, int]] = [(getattr(row, ratio), row.support) for row in metrics.per_label]
    return math.fsum(value * support for value, support in values) / metrics.images


def macro(metrics: Metrics, ratio: str) -> float:
    """Mean over the labels, each weighed alike."""
    return math.fsum(getattr(row, ratio) for row in metrics.per_label) / len(metrics.per_label)


def averages(metrics: Metrics) -> tuple[LabelMetrics, ...]:
    """The two rows below those of the labels."""
    return tuple(
        LabelMetrics(
            label=name,
            precision=mean(metrics, "precision"),
            recall=mean(metrics, "recall"),
            f1=mean(metrics, "f1"),
            support=metrics.images,
        )
        for name, mean in (("macro average", macro), ("weighted average", weighted))
    )


def temperature_of(logits: Logits, labels: Labels) -> float:
    """The fitted one, as the export takes it: 1 where it would not lower the calibration error, or would make answers
    surer of which there is no wrong one to say how sure they may be.
    """
    temperature = fit_temperature(logits, labels)
    if temperature < 1 and bool((logits.argmax(axis=1) == labels).all()):
        return 1.0
    after = calibration_error(softmax((logits / temperature).astype(np.float32)), labels)
    return temperature if after < calibration_error(softmax(logits), labels) else 1.0


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017).

    The likelihood is convex in b = 1 / temperature with slope E_p[z] - z_label, so bisection finds its minimum.
    """
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    own = logits[np.arange(len(labels)), labels].astype(np.float64)
    for _ in range(60):
        middle = math.sqrt(low * high)
        expected = (softmax((logits * middle).astype(np.float32)) * logits).sum(axis=1)
        low, high = (low, middle) if float((expected - own).mean()) > 0 else (middle, high)
    return 1 / math.sqrt(low * high)


def reliability(logits: Logits, labels: Labels) -> tuple[ReliabilityBin, ...]:
    """The bins of the calibration error that hold any image, in order of confidence."""
    probabilities = softmax(logits)
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    at = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return tuple(
        ReliabilityBin(
            lower=number / CALIBRATION_BINS,
            upper=(number + 1) / CALIBRATION_BINS,
            images=int((at == number).sum()),
            confidence=float(confidence[at == number].mean()),
            accuracy=float(correct[at == number].mean()),
        )
        for number in range(CALIBRATION_BINS)
        if (at == number).any()
    )


def worst_mistakes(logits: Logits, labels: Labels, *, count: int) -> list[Mistake]:
    """The wrong answers with the highest confidence, surest first."""
    probabilities = softmax(logits)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        Mistake(index=int(i), label=int(labels[i]), predicted=int(predicted[i]), confidence=float(confidence[i]))
        for i in order
    ]
