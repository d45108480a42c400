"""Differences that chance can explain are called that."""

from dataclasses import replace

import pytest
from scipy.stats import binomtest  # type: ignore[import-untyped]  # it has no types

from training.checkpoint import Run
from training.comparison import Comparison, compare_runs, mcnemar
from training.errors import RunConflict


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (5, 5), (1, 9), (30, 60), (200, 320)])
def test_the_p_value_is_the_binomial_tests(only_a: int, only_b: int) -> None:
    """SciPy's, to nine digits."""
    expected = binomtest(only_a, only_a + only_b, 0.5).pvalue if only_a + only_b else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_a_run_compared_with_itself_differs_in_nothing(trained_run: Run) -> None:
    """No image is right in one only."""
    found = compare_runs(trained_run, trained_run)
    assert (found.only_a, found.only_b, found.p_value) == (0, 0, 1.0)
    assert found.accuracy_a == found.accuracy_b == pytest.approx(trained_run.record.metrics["test"].accuracy)
    assert "chance" in found.verdict


def test_the_better_one_is_named() -> None:
    """Below five in a hundred."""
    found = Comparison(images=1000, accuracy_a=0.9, accuracy_b=0.92, only_a=10, only_b=30, p_value=0.002)
    assert "B is better" in found.verdict
    assert "A is better" in replace(found, only_a=30, only_b=10).verdict


def test_runs_on_other_images_are_not_compared(trained_run: Run) -> None:
    """Two accuracies on two tests say nothing."""
    record = replace(trained_run.record, data=replace(trained_run.record.data, sha256="0" * 64))
    with pytest.raises(RunConflict, match="same test images"):
        compare_runs(trained_run, replace(trained_run, record=record))
