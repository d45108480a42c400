"""How far golden samples may be from what is expected (export/tolerance.py)."""

import numpy as np
import pytest

from export.tolerance import REASONS, SHARES, golden_tolerance
from service.models.manifest import Precision


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 0.002), ("fp16", 0.1), ("int8", 0.2)])
def test_is_a_share_of_the_largest_logit(precision: str, tolerance: float) -> None:
    """Of either sign; no precision has more than a hundredth of it, however much it deviates from float32."""
    expected = np.array([[3.0, -20.0], [1.0, 2.0]], dtype=np.float32)
    assert golden_tolerance(expected, Precision(precision)) == pytest.approx(tolerance)


def test_every_precision_with_a_graph_has_its_share_and_says_why() -> None:
    """bfloat16 has no graph of its own."""
    assert set(SHARES) == set(REASONS) == set(Precision) - {Precision.BF16}
