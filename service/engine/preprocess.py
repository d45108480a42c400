"""Pixels of any size in, one image of the model's input out: uint8 `[height, width, channels]`.

Everything that needs arithmetic on values (layout, cast, scaling, normalisation) is inside the graph; here the picture
is only brought to its size and polarity.
"""

import math
from dataclasses import dataclass

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
REACH = {Interpolation.BILINEAR: 1.0, Interpolation.BICUBIC: 2.0}
"""How far a filter looks to each side, in pixels of the picture, or of the result where that is smaller."""
MID_GREY = 127
LONGEST_STRIP = 8
"""How many times its shorter side the longer side of a picture may be before the ends are cut off."""


def preprocess(pixels: Pixels, spec: InputSpec) -> Pixels:
    """`[H, W]` or `[H, W, 3]` of any size → `[spec.height, spec.width, spec.channels]`."""
    pixels = resized(pixels, spec)
    if spec.polarity is Polarity.BRIGHT_ON_DARK and has_bright_border(pixels):
        pixels = 255 - pixels
    return pixels


def resized(pixels: Pixels, spec: InputSpec) -> Pixels:
    """The first half of `preprocess`; the polarity may be mended for several images at once."""
    return _in_size(pixels, spec).reshape(spec.height, spec.width, spec.channels)


def mend_polarity(images: Pixels, spec: InputSpec) -> None:
    """The second half, in place, of `[N, H, W, C]`."""
    if spec.polarity is not Polarity.BRIGHT_ON_DARK or not len(images):
        return
    borders = np.concatenate((images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]), axis=1)
    values = borders.reshape(len(images), -1) > MID_GREY
    bright = np.count_nonzero(values, axis=1) * 4 > values.shape[1] * 3
    images[bright] = 255 - images[bright]


def has_bright_border(pixels: Pixels) -> bool:
    """Whether more than three quarters of the outermost pixels are brighter than mid-grey."""
    border = np.concatenate((pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]), axis=None)
    return int(np.count_nonzero(border > MID_GREY)) * 4 > border.size * 3


def _in_size(pixels: Pixels, spec: InputSpec) -> Pixels:
    if spec.resize is Resize.STRETCH:
        return _scaled(pixels, spec.height, spec.width, spec.interpolation)
    assert spec.resize_to is not None  # noqa: S101 - the manifest's own check says so
    pixels = _middle(pixels)
    height, width = pixels.shape[:2]
    if width <= height:
        width, height = spec.resize_to, spec.resize_to * height // width
    else:
        width, height = spec.resize_to * width // height, spec.resize_to
    top, left = round((height - spec.height) / 2), round((width - spec.width) / 2)  # as torchvision's CenterCrop does
    if pixels.shape[:2] == (height, width) or spec.interpolation not in REACH:
        whole = _scaled(pixels, height, width, spec.interpolation)
        return whole[top : top + spec.height, left : left + spec.width]
    rows = Cut.of(pixels.shape[0], scaled_to=height, start=top, length=spec.height, reach=REACH[spec.interpolation])
    columns = Cut.of(pixels.shape[1], scaled_to=width, start=left, length=spec.width, reach=REACH[spec.interpolation])
    return _cut(pixels, rows, columns, FILTERS[spec.interpolation])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a crop of the scaled picture needs of the picture along one axis.

    `begin` and `end` are whole pixels of the picture, those that the filter looks at included; `low` and `high` bound
    the crop itself, counted from `begin`; `length` is its size once it is scaled.
    """

    begin: int
    end: int
    low: float
    high: float
    length: int

    @classmethod
    def of(cls, size: int, *, scaled_to: int, start: int, length: int, reach: float) -> "Cut":
        """`start` and `length` of the crop are in pixels of the result, which has `scaled_to` of them."""
        low, high = start * size / scaled_to, (start + length) * size / scaled_to
        margin = math.ceil(reach * max(size / scaled_to, 1.0)) + 1
        begin, end = max(0, math.floor(low) - margin), min(size, math.ceil(high) + margin)
        return cls(begin=begin, end=end, low=low - begin, high=min(high, size) - begin, length=length)


def _cut(pixels: Pixels, rows: Cut, columns: Cut, resample: Image.Resampling) -> Pixels:
    """Scales and crops at once: columns first and then rows, as Pillow does with the whole picture.

    Against that, a value may differ by one step, since Pillow keeps the bounds of a crop in single precision.
    """
    picture = _part(pixels, rows, columns)
    height = picture.height
    narrow = picture.resize((columns.length, height), resample, box=(columns.low, 0, columns.high, height))
    return np.asarray(
        narrow.resize((columns.length, rows.length), resample, box=(0, rows.low, columns.length, rows.high))
    )


def _part(pixels: Pixels, rows: Cut, columns: Cut) -> Image.Image:
    """What the filter looks at. Colours are taken from where they lie: NumPy's slice would be copied once more."""
    if pixels.ndim == 2:
        return Image.fromarray(pixels[rows.begin : rows.end, columns.begin : columns.end])
    pixels = np.ascontiguousarray(pixels)
    begin, line = pixels[: rows.begin].size + pixels[0, : columns.begin].size, pixels[0].size
    size = (columns.end - columns.begin, rows.end - rows.begin)
    return Image.frombuffer("RGB", size, pixels.reshape(-1)[begin:], "raw", "RGB", line, 1)


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
