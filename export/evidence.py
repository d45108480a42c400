"""What was found out about a run's graphs on their way into the package."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx

from service.models.golden import GoldenSamples
from service.models.manifest import Baseline, Calibration, Metrics, Precision, Variant
from service.models.variant import Comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Of the float32 graph, and of the variants beside it."""

    max_abs_difference: float
    calibration: Calibration
    baseline: Baseline
    golden: GoldenSamples
    """With the expected logits of every variant."""
    metrics: Metrics
    skew: float = 0.0
    comparison: Comparison | None = None
    """Of the float32 graph with itself: its accuracy and speed."""
    variants: Mapping[Precision, tuple[onnx.ModelProto, Variant]] = field(default_factory=dict)
    """Beside float32."""
    left_out: Mapping[Precision, str] = field(default_factory=dict)
