"""Validation logits in, honest probabilities out: temperature, `unknown` threshold, and the baseline for drift."""

import math

import numpy as np
import numpy.typing as npt

from service.engine.postprocess import probabilities_of
from service.models.manifest import Baseline, Calibration
from training.metrics import calibration_error

Logits = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

TEMPERATURES = (0.05, 20.0)
"""The temperature is sought between these; where every answer is right, nothing else would bound it."""
COVERAGE = 0.99
"""Share of the validation split whose answers are to stay above the `unknown` threshold."""
CONFIDENCE_BINS = 20


def calibrate(logits: Logits, labels: Labels) -> Calibration:
    """Fits on validation logits (N, labels) and their true labels (N,).

    The temperature stays 1 where the fitted one lowers the likelihood's loss and not the calibration error: then it is
    so near to 1 that it only moves confidences from bin to bin. And it makes nothing surer where every answer is right,
    as of a few photographs: no wrong one says how sure they may be, and the service would be sure of everything.
    """
    temperature = fit_temperature(logits, labels)
    before = calibration_error(probabilities_of(logits, 1.0), labels)
    after = calibration_error(probabilities_of(logits, temperature), labels)
    all_right = bool((logits.argmax(axis=1) == labels).all())
    if after >= before or (all_right and temperature < 1):
        temperature, after = 1.0, before
    confidences = probabilities_of(logits, temperature).max(axis=1)
    threshold = unknown_threshold(confidences, coverage=COVERAGE)
    return Calibration(
        temperature=temperature,
        ece_before=before,
        ece_after=after,
        unknown_threshold=threshold,
        coverage=float(np.mean(confidences >= threshold)),
    )


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017).

    The likelihood is convex in b = 1 / temperature, with the slope E_p[z] − z_label, so bisection on it finds the
    minimum whatever the logits.
    """
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(60):
        middle = math.sqrt(low * high)
        if _slope(logits, labels, middle) > 0:
            high = middle
        else:
            low = middle
    return 1 / math.sqrt(low * high)


def negative_log_likelihood(logits: Logits, labels: Labels, temperature: float) -> float:
    """Mean over the images, in nats."""
    chosen = probabilities_of(logits, temperature)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, np.finfo(np.float64).tiny)).mean())


def unknown_threshold(confidences: npt.NDArray[np.float64], *, coverage: float) -> float:
    """The highest threshold that at least `coverage` of the confidences reach."""
    below = math.floor(len(confidences) * (1 - coverage))
    return float(np.sort(confidences)[below])


def baseline(logits: Logits, temperature: float) -> Baseline:
    """How predictions and calibrated confidences are distributed over the images."""
    probabilities = probabilities_of(logits, temperature)
    images, labels = probabilities.shape
    predicted = np.bincount(probabilities.argmax(axis=1), minlength=labels)
    confidences, _ = np.histogram(probabilities.max(axis=1), bins=CONFIDENCE_BINS, range=(0.0, 1.0))
    return Baseline(
        images=images,
        label_shares=tuple((predicted / images).tolist()),
        confidence_shares=tuple((confidences / images).tolist()),
    )


def _slope(logits: Logits, labels: Labels, inverse_temperature: float) -> float:
    values = logits.astype(np.float64)
    expected = (probabilities_of(logits, 1 / inverse_temperature) * values).sum(axis=1)
    return float((expected - values[np.arange(len(labels)), labels]).mean())
