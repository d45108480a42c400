"""One small picture in every format and mode that is accepted."""

import io

import numpy as np
from PIL import Image

from service.models.manifest import PixelFormat

HEIGHT, WIDTH = 16, 24
MODES = {
    "JPEG": ("1", "L", "RGB", "CMYK", "YCbCr"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "WEBP": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"),
    "GIF": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}
COMBINATIONS = [(kind, mode) for kind, modes in MODES.items() for mode in modes]
TARGETS = {PixelFormat.GRAY8: "L", PixelFormat.RGB8: "RGB"}
FORMATS = tuple(PixelFormat)


def colours() -> Image.Image:
    """Smooth, without any symmetry."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return Image.fromarray(np.stack((columns * 10, rows * 15, (rows + columns) * 6), axis=-1).astype(np.uint8))


def in_mode(mode: str) -> Image.Image:
    """The picture in a mode; where it has alpha, the whole range of it."""
    if mode not in {"LA", "RGBA"}:
        return colours().convert(mode)
    opaque = colours().convert(mode.removesuffix("A"))
    opaque.putalpha(Image.fromarray(np.linspace(0, 255, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint8)))
    return opaque


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    lossless = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture.save(buffer, kind, **lossless, **options)
    return buffer.getvalue()


def oriented(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif
