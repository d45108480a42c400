"""How faithfully JPEG files are decoded: whole, or scaled down while their blocks are transformed, which is faster.

What it costs in accuracy and gains in speed, measured on photographs, is in docs/decoding.md.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from service.models.manifest import InputSpec


class Decoding(StrEnum):
    """What the settings may ask for; a package records which of the first two its golden samples went through."""

    EXACT = "exact"
    """Every pixel, as training saw it."""
    SCALED = "scaled"
    """Scaled down where the picture is at least twice as large as the model's resize target."""
    FAST = "fast"
    """Scaled down also where that leaves a little less than the target, which is then enlarged again."""


SHARE_KEPT: Mapping[Decoding, float] = MappingProxyType({Decoding.SCALED: 1.0, Decoding.FAST: 0.7})
"""How much of the resize target the shorter side keeps at least."""


def least_side(spec: InputSpec, decoding: Decoding) -> float | None:
    """The `at_least` of `decode` for a model's input; None where every pixel is wanted."""
    if decoding is Decoding.EXACT:
        return None
    target = max(spec.height, spec.width) if spec.resize_to is None else spec.resize_to
    return target * SHARE_KEPT[decoding]
