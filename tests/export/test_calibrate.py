"""Temperature, threshold and baseline (export/calibrate.py)."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from export.calibrate import (
    CONFIDENCE_BINS,
    COVERAGE,
    TEMPERATURES,
    Labels,
    Logits,
    baseline,
    calibrate,
    fit_temperature,
    negative_log_likelihood,
    unknown_threshold,
)
from service.engine.postprocess import probabilities_of
from training.metrics import calibration_error


@pytest.fixture(scope="module")
def honest() -> tuple[Logits, Labels]:
    """Logits that are right exactly as often as they claim: labels are drawn from their softmax."""
    generator = np.random.default_rng(0)
    logits = generator.normal(scale=2.0, size=(20_000, 10)).astype(np.float32)
    shares = probabilities_of(logits, 1.0).cumsum(axis=1)
    labels = (generator.random((len(logits), 1)) > shares).sum(axis=1)
    return logits, np.minimum(labels, 9).astype(np.int64)


@pytest.mark.parametrize("boast", [0.5, 1.0, 3.0])
def test_finds_by_how_much_logits_exaggerate(honest: tuple[Logits, Labels], boast: float) -> None:
    """Honest logits times a factor need that factor as temperature."""
    logits, labels = honest
    assert fit_temperature(logits * np.float32(boast), labels) == pytest.approx(boast, rel=0.02)


def test_lowers_the_likelihood_and_the_calibration_error(honest: tuple[Logits, Labels]) -> None:
    """Both, and by much, where the model is far too sure."""
    logits, labels = honest[0] * np.float32(3.0), honest[1]
    calibration = calibrate(logits, labels)
    assert calibration.ece_before is not None
    assert calibration.ece_after is not None
    assert calibration.ece_after < 0.02
    assert calibration.ece_before > 0.1
    after = negative_log_likelihood(logits, labels, calibration.temperature)
    assert after < negative_log_likelihood(logits, labels, 1.0)


def test_a_temperature_that_does_not_lower_the_calibration_error_is_not_taken() -> None:
    """151 answers are right as often as they claim but for one, which is very sure; the likelihood heeds that one."""
    logits = np.array([[1.2, 0.0]] * 100 + [[4.0, 0.0]] * 50 + [[12.0, 0.0]], dtype=np.float32)
    labels = np.array([0] * 77 + [1] * 23 + [0] * 49 + [1] + [1], dtype=np.int64)
    fitted = fit_temperature(logits, labels)
    at_one, at_fit = (calibration_error(probabilities_of(logits, t), labels) for t in (1.0, fitted))
    assert at_fit > at_one
    calibration = calibrate(logits, labels)
    assert (calibration.temperature, calibration.ece_before, calibration.ece_after) == (1.0, at_one, at_one)


def test_answers_that_are_all_right_are_not_made_surer() -> None:
    """As of twenty photographs: the service would say 100 % to everything."""
    logits = np.tile(np.eye(2, dtype=np.float32) * 3, (10, 1))
    labels = np.tile([0, 1], 10)
    assert fit_temperature(logits, labels) == pytest.approx(TEMPERATURES[0])
    calibration = calibrate(logits, labels)
    assert calibration.temperature == 1.0
    assert calibration.ece_after == calibration.ece_before
    assert calibrate(logits * 20, labels).temperature == 1.0


def test_the_calibration_error_is_that_of_torchmetrics(honest: tuple[Logits, Labels]) -> None:
    """Before and after, over the same 15 bins."""
    logits, labels = honest
    calibration = calibrate(logits * 3, labels)
    for temperature, stated in ((1.0, calibration.ece_before), (calibration.temperature, calibration.ece_after)):
        probabilities = torch.from_numpy(probabilities_of(logits * 3, temperature))
        expected = multiclass_calibration_error(probabilities, torch.from_numpy(labels), num_classes=10, n_bins=15)
        assert stated == pytest.approx(float(expected), abs=1e-5)  # it computes in float32


def test_is_the_minimum_and_stable(honest: tuple[Logits, Labels]) -> None:
    """No better temperature nearby; the same answer twice and in another order."""
    logits, labels = honest
    best = fit_temperature(logits, labels)
    at_best = negative_log_likelihood(logits, labels, best)
    assert all(negative_log_likelihood(logits, labels, best * factor) > at_best for factor in (0.98, 1.02))
    assert fit_temperature(logits, labels) == best
    assert fit_temperature(logits[::-1], labels[::-1]) == pytest.approx(best, rel=1e-9)


def test_stays_bounded_where_every_answer_is_right_or_wrong() -> None:
    """Nothing in such data says how sure to be."""
    logits = np.eye(4, dtype=np.float32) * 5
    labels = np.arange(4)
    assert fit_temperature(logits, labels) == pytest.approx(TEMPERATURES[0])
    assert fit_temperature(logits, (labels + 1) % 4) == pytest.approx(TEMPERATURES[1])


def test_the_threshold_keeps_the_coverage() -> None:
    """99 of 100 stay; a higher threshold would lose a second one."""
    confidences = np.linspace(0.01, 1.0, 100)
    threshold = unknown_threshold(confidences, coverage=0.99)
    assert threshold == pytest.approx(0.02)
    assert np.mean(confidences >= threshold) == pytest.approx(0.99)


def test_the_manifest_states_the_coverage_that_was_reached(honest: tuple[Logits, Labels]) -> None:
    """Never below what was asked for."""
    logits, labels = honest
    calibration = calibrate(logits, labels)
    confidences = probabilities_of(logits, calibration.temperature).max(axis=1)
    assert calibration.unknown_threshold is not None
    assert calibration.coverage is not None
    assert calibration.coverage == np.mean(confidences >= calibration.unknown_threshold)
    assert COVERAGE <= calibration.coverage < COVERAGE + 0.001


def test_the_baseline_counts_labels_and_confidences() -> None:
    """Two images of the second label, fully sure; one of the first, undecided."""
    logits = np.array([[0, 50], [0, 50], [0.001, 0]], dtype=np.float32)
    shares = baseline(logits, 1.0)
    assert shares.images == 3
    assert shares.label_shares == pytest.approx((1 / 3, 2 / 3))
    assert len(shares.confidence_shares) == CONFIDENCE_BINS
    assert shares.confidence_shares[-1] == pytest.approx(2 / 3)
    assert shares.confidence_shares[10] == pytest.approx(1 / 3)
