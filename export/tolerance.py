"""How far the replay of the golden samples may be from the expected logits: a share of the largest of them.

In each precision the samples are compared with that precision's own logits, so what a tolerance has to admit is only
another processor's or another runtime's rounding, not what the precision itself costs.
"""

import numpy as np

from export.verify import Logits
from service.models.manifest import Precision

SHARES = {Precision.FP32: 1e-4, Precision.FP16: 5e-3, Precision.INT8: 1e-2}
REASONS = {
    Precision.FP32: "a ten-thousandth of the largest golden logit: float32 rounds, and TF32 is turned off",
    Precision.FP16: "half a hundredth of the largest golden logit: a processor that computes in halves rounds after "
    "each step, one that only stores them does not",
    Precision.INT8: "a hundredth of the largest golden logit: sums of integers are exact, but a value on the edge "
    "between two of the 256 steps may fall to either side on another processor",
}


def golden_tolerance(expected: Logits, precision: Precision) -> float:
    """Of the replay in this precision, whose logits for the golden samples are `expected` (N, labels)."""
    return SHARES[precision] * float(np.abs(expected).max())
