"""JPEG files in, upright pixels out, by libjpeg-turbo through simplejpeg, which releases the GIL.

A JPEG can be decoded at a half, a quarter or an eighth of its size for less than the whole costs: its blocks are then
transformed to fewer pixels. How much is saved depends on the file: its bits must be read all the same.
"""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import ExifTags, Image

from service.engine.jpeg_markers import JpegMarkers, read_markers
from service.models.manifest import PixelFormat

Pixels = npt.NDArray[np.uint8]

DENOMINATORS = (8, 4, 2)
"""Other fractions that libjpeg-turbo knows take longer than the whole."""


class JpegOdd(Exception):
    """The file is broken, or is one of the odd kinds (CMYK, stray bytes) that are left to Pillow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """Size in pixels as they are stored, before the camera's orientation is undone."""

    height: int
    width: int
    markers: JpegMarkers


def read_header(data: bytes) -> JpegHeader:
    """Allocates no pixel. Raises JpegOdd."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(data, strict=False)
    except (ValueError, KeyError) as error:
        raise JpegOdd from error
    return JpegHeader(height=height, width=width, markers=read_markers(data))


def decode_jpeg(data: bytes, header: JpegHeader, pixel_format: PixelFormat, *, denominator: int = 1) -> Pixels:
    """`[H, W]` or `[H, W, 3]`, each side divided by 1 or one of DENOMINATORS and rounded up. Raises JpegOdd."""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data,
            colorspace="GRAY" if pixel_format is PixelFormat.GRAY8 else "RGB",
            min_height=-(-header.height // denominator) if denominator > 1 else 0,
            min_width=-(-header.width // denominator) if denominator > 1 else 0,
            strict=True,
        )
    except (ValueError, KeyError) as error:
        raise JpegOdd from error
    if pixel_format is PixelFormat.GRAY8:
        pixels = pixels[:, :, 0]
    return upright(pixels, _jpeg_orientation(data)) if header.markers.exif else np.ascontiguousarray(pixels)


def denominator_for(header: JpegHeader, at_least: float) -> int:
    """The largest one that leaves both sides at least so many pixels; 1 where none does."""
    shorter = min(header.height, header.width)
    return next((denominator for denominator in DENOMINATORS if shorter >= denominator * at_least), 1)


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or none that is known."""
    try:
        value = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - whatever Pillow makes of a broken EXIF block, the pixels are good
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undoes the rotation and mirroring that the camera noted (EXIF 2.3, tag 0x0112)."""
    match orientation:
        case 2:
            pixels = pixels[:, ::-1]
        case 3:
            pixels = pixels[::-1, ::-1]
        case 4:
            pixels = pixels[::-1]
        case 5:
            pixels = pixels.swapaxes(0, 1)
        case 6:
            pixels = np.rot90(pixels, k=-1)
        case 7:
            pixels = pixels[::-1, ::-1].swapaxes(0, 1)
        case 8:
            pixels = np.rot90(pixels, k=1)
    return np.ascontiguousarray(pixels)


def _jpeg_orientation(data: bytes) -> int:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
            return orientation_of(picture)
    except (OSError, Warning):  # libjpeg read it, Pillow stumbles over something beside the pixels
        return 1
