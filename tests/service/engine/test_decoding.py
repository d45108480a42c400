"""How faithfully: how many pixels a JPEG keeps under each of the settings' choices."""

import pytest

from service.engine.decoding import Decoding, least_side
from service.models.manifest import InputSpec, PixelFormat, Resize


def spec(*, resize_to: int | None) -> InputSpec:
    return InputSpec(
        pixel_format=PixelFormat.RGB8,
        height=192,
        width=224,
        resize=Resize.STRETCH if resize_to is None else Resize.SHORTER_SIDE,
        resize_to=resize_to,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )


@pytest.mark.parametrize(("resize_to", "target"), [(None, 224), (256, 256)])
def test_scaled_never_goes_below_what_the_resize_needs(resize_to: int | None, target: int) -> None:
    """The target is what the resize brings the shorter side to; both sides of the input where it stretches."""
    assert least_side(spec(resize_to=resize_to), Decoding.SCALED) == target


def test_exact_keeps_every_pixel() -> None:
    """No size is small enough to be scaled."""
    assert least_side(spec(resize_to=256), Decoding.EXACT) is None


def test_fast_goes_a_little_below() -> None:
    """Photographs of 500 × 375 are halved for a model that takes 256."""
    least = least_side(spec(resize_to=256), Decoding.FAST)
    assert least is not None
    assert 256 > 375 / 2 >= least
