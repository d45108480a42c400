"""Two runs side by side: McNemar's exact test on the test images that only one of them gets right."""

import math
from dataclasses import dataclass

import numpy as np

from training.checkpoint import Run
from training.errors import RunConflict

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Images that both get right or wrong say nothing about the difference."""

    images: int
    accuracy_a: float
    accuracy_b: float
    only_a: int
    """right in A and wrong in B"""
    only_b: int
    p_value: float
    """two-sided: how often a coin would divide the differing images so unevenly"""

    @property
    def verdict(self) -> str:
        if self.p_value >= SIGNIFICANT:
            return "the difference may be chance"
        return f"{'A' if self.only_a > self.only_b else 'B'} is better, and that is hardly chance"


def compare_runs(a: Run, b: Run) -> Comparison:
    """Raises RunConflict for runs that were tested on different images."""
    (logits_a, labels_a), (logits_b, labels_b) = a.predictions("test"), b.predictions("test")
    if a.record.data.sha256 != b.record.data.sha256 or not np.array_equal(labels_a, labels_b):
        raise RunConflict(
            f"{a.directory} was tested on {a.record.data.name} and {b.directory} on {b.record.data.name}: "
            "only runs with the same test images can be compared"
        )
    right_a, right_b = logits_a.argmax(axis=1) == labels_a, logits_b.argmax(axis=1) == labels_b
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    return Comparison(
        images=len(labels_a),
        accuracy_a=float(right_a.mean()),
        accuracy_b=float(right_b.mean()),
        only_a=only_a,
        only_b=only_b,
        p_value=mcnemar(only_a, only_b),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value: a binomial test with probability one half."""
    count, fewer = only_a + only_b, min(only_a, only_b)
    if count == 0:
        return 1.0
    tail = sum(math.exp(_log_choose(count, k) - count * math.log(2)) for k in range(fewer + 1))
    return min(1.0, 2 * tail)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
