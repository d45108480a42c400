"""Encoded image in, pixels out: uint8 `[height, width, 3]`, or `[height, width]` for grey, upright.

The format is told by its first bytes, never by a name. Sizes are read from the header and refused before a pixel is
allocated. JPEG is decoded in jpeg.py; PNG, WebP, GIF (first frame) and BMP by Pillow.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np
from PIL import Image, PngImagePlugin

from service.engine.header import announced_size, too_much_work
from service.engine.jpeg import JpegOdd, Pixels, decode_jpeg, denominator_for, orientation_of, read_header, upright
from service.engine.png import plain_png
from service.errors import ImageTooLarge, ImageUnreadable, ImageUnsupported, ServiceError
from service.models.manifest import PixelFormat

Image.init()
Image.MAX_IMAGE_PIXELS = None  # ImageLimits, checked between the header and the pixels, takes its place
PngImagePlugin.MAX_TEXT_CHUNK = 2**20  # what one compressed text or colour profile may inflate to
PngImagePlugin.MAX_TEXT_MEMORY = 4 * 2**20  # and all texts of a file together
warnings.filterwarnings("error", module=r"PIL\.")  # what Pillow is not sure about is a broken file

SIGNATURES: Mapping[bytes, str] = MappingProxyType(
    {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"RIFF": "WEBP",
        b"GIF87a": "GIF",
        b"GIF89a": "GIF",
        b"BM": "BMP",
    }
)
KNOWN_BUT_UNSUPPORTED: Mapping[bytes, str] = MappingProxyType(
    {b"II*\x00": "TIFF", b"MM\x00*": "TIFF", b"%PDF": "PDF", b"<svg": "SVG", b"8BPS": "PSD", b"\x00\x00\x01\x00": "ICO"}
)
ACCEPTED = "JPEG, PNG, WebP, GIF or BMP"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLimits:
    """What is refused before anything is decoded."""

    max_bytes: int = 10 * 2**20
    max_side: int = 8192
    max_pixels: int = 24_000_000

    def check_bytes(self, data: bytes) -> None:
        """Raises ImageUnreadable for nothing at all, ImageTooLarge for too much."""
        if not data:
            raise ImageUnreadable("The image is empty (0 bytes); send the content of an image file.")
        if len(data) > self.max_bytes:
            raise ImageTooLarge(
                f"The image has {len(data):,} bytes; at most {self.max_bytes:,} are accepted. Send a smaller file.",
                limit_bytes=str(self.max_bytes),
            )

    def check_size(self, width: int, height: int) -> None:
        """Raises ImageTooLarge by the size that the header announces."""
        if width > self.max_side or height > self.max_side or width * height > self.max_pixels:
            raise ImageTooLarge(
                f"The image is {width:,} × {height:,} pixels; at most {self.max_side:,} a side and "
                f"{self.max_pixels:,} in all are accepted. Scale it down first.",
                limit_side=str(self.max_side),
                limit_pixels=str(self.max_pixels),
            )


class Decode(Protocol):
    """What `decode` below does, here or in another process."""

    def __call__(
        self, data: bytes, *, pixel_format: PixelFormat, limits: ImageLimits, at_least: float | None = None
    ) -> Pixels: ...


def decode(data: bytes, *, pixel_format: PixelFormat, limits: ImageLimits, at_least: float | None = None) -> Pixels:
    """Pixels of an encoded image, upright, in the asked-for format: `[H, W]` for grey, `[H, W, 3]` for RGB.

    Where `at_least` is given, a JPEG comes scaled down to a half, a quarter or an eighth if both of its sides keep so
    many pixels. Raises ImageUnreadable, ImageUnsupported or ImageTooLarge.
    """
    limits.check_bytes(data)
    kind = sniff(data)
    if kind == "JPEG":
        return _decode_jpeg(data, pixel_format, limits, at_least)
    return _decode_with_pillow(data, kind, pixel_format, limits)


def sniff(data: bytes) -> str:
    """Pillow's name of the format. Raises ImageUnsupported for other images, ImageUnreadable for anything else."""
    for signature, kind in SIGNATURES.items():
        if data.startswith(signature) and (kind != "WEBP" or data[8:12] == b"WEBP"):
            return kind
    for signature, kind in KNOWN_BUT_UNSUPPORTED.items():
        if data.startswith(signature):
            raise ImageUnsupported(f"{kind} files are not accepted; convert the image to {ACCEPTED}.", format=kind)
    if data[4:8] == b"ftyp":
        raise ImageUnsupported(f"AVIF and HEIC files are not accepted; convert the image to {ACCEPTED}.")
    raise ImageUnreadable(f"These bytes are not an image; send the content of a {ACCEPTED} file.")


def _decode_jpeg(data: bytes, pixel_format: PixelFormat, limits: ImageLimits, at_least: float | None) -> Pixels:
    try:
        header = read_header(data)
        limits.check_size(header.width, header.height)
        if not header.markers.one_scan and too_much_work(data, header.width * header.height, limits.max_pixels):
            raise ImageTooLarge("The JPEG has more scans than a picture needs; save it anew, as a baseline JPEG.")
        denominator = 1 if at_least is None else denominator_for(header, at_least)
        return decode_jpeg(data, header, pixel_format, denominator=denominator)
    except JpegOdd:  # broken, or only odd: Pillow tells which
        return _decode_with_pillow(data, "JPEG", pixel_format, limits)


def _decode_with_pillow(data: bytes, kind: str, pixel_format: PixelFormat, limits: ImageLimits) -> Pixels:
    if (size := announced_size(data, kind)) is not None:
        limits.check_size(*size)
    if kind == "PNG" and (plain := plain_png(data)) is not None:
        return _pixels_of(_converted(plain, pixel_format))
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as picture:
            limits.check_size(*picture.size)
            picture.load()
            orientation = orientation_of(picture)
            pixels = np.asarray(_converted(picture, pixel_format))
    except (ServiceError, MemoryError):
        raise
    except Exception as error:  # Pillow raises errors of all kinds for broken files
        raise ImageUnreadable(f"The {kind} file is broken or cut short; send the whole file.") from error
    return upright(pixels, orientation)


def _pixels_of(picture: Image.Image) -> Pixels:
    """What NumPy makes of a grey or RGB picture, for less."""
    size = (picture.height, picture.width)
    return np.frombuffer(picture.tobytes(), dtype=np.uint8).reshape(size if picture.mode == "L" else (*size, 3))


def _converted(picture: Image.Image, pixel_format: PixelFormat) -> Image.Image:
    """Grey or RGB from any mode: 16-bit is scaled to 8, transparency is laid on white."""
    mode = "L" if pixel_format is PixelFormat.GRAY8 else "RGB"
    if picture.mode.startswith("I") or picture.mode == "F":
        sixteen_bit = np.asarray(picture, dtype=np.float32)
        picture = Image.fromarray((np.clip(sixteen_bit, 0, 65535) / 257.0).round().astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(ground, picture)
    return picture if picture.mode == mode else picture.convert(mode)
