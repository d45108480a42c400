"""Pixels of any size in, one image of the model's input out: uint8 `[height, width, channels]`.

Everything that needs arithmetic on values (layout, cast, scaling, normalisation) is inside the graph; here the picture
is only brought to its size and polarity.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from service.models.manifest import InputSpec, Interpolation, Polarity, Resize

Pixels = npt.NDArray[np.uint8]

FILTERS = {
    Interpolation.NEAREST: Image.Resampling.NEAREST,
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
}
LONGEST_STRIP = 8
"""How many times its shorter side the longer side of a picture may be before the ends are cut off."""


def preprocess(pixels: Pixels, spec: InputSpec) -> Pixels:
    """`[H, W]` or `[H, W, 3]` of any size → `[spec.height, spec.width, spec.channels]`."""
    pixels = _resized(pixels, spec)
    if spec.polarity is Polarity.BRIGHT_ON_DARK and has_bright_border(pixels):
        pixels = 255 - pixels
    return pixels.reshape(spec.height, spec.width, spec.channels)


def has_bright_border(pixels: Pixels) -> bool:
    """Whether more than three quarters of the outermost pixels are brighter than mid-grey."""
    border = np.concatenate((pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]), axis=None)
    return int(np.count_nonzero(border > 127)) * 4 > border.size * 3


def _resized(pixels: Pixels, spec: InputSpec) -> Pixels:
    if spec.resize is Resize.STRETCH:
        return _scaled(pixels, spec.height, spec.width, spec.interpolation)
    assert spec.resize_to is not None  # noqa: S101 - the manifest's own check says so
    pixels = _middle(pixels)
    height, width = pixels.shape[:2]
    if width <= height:
        width, height = spec.resize_to, spec.resize_to * height // width
    else:
        width, height = spec.resize_to * width // height, spec.resize_to
    pixels = _scaled(pixels, height, width, spec.interpolation)
    top, left = round((height - spec.height) / 2), round((width - spec.width) / 2)  # as torchvision's CenterCrop does
    return pixels[top : top + spec.height, left : left + spec.width]


def _middle(pixels: Pixels) -> Pixels:
    """Without the ends of a strip, which the crop would drop anyway: scaled up first, they would fill the memory."""
    height, width = pixels.shape[:2]
    rows, columns = min(height, LONGEST_STRIP * width), min(width, LONGEST_STRIP * height)
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def _scaled(pixels: Pixels, height: int, width: int, interpolation: Interpolation) -> Pixels:
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), FILTERS[interpolation]))
