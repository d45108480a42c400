"""Sizes by the first bytes, for every format and its variants, against Pillow's own reading; and JPEG scans."""

import io
from typing import Any

import pytest
from PIL import Image

from service.engine.decode import ImageLimits, decode
from service.engine.header import announced_size
from service.errors import ImageTooLarge
from service.models.manifest import PixelFormat

SIZE = (37, 11)


def encoded(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(SIZE, 60).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("GIF", "P", {}),
        ("BMP", "RGB", {}),
        ("BMP", "L", {}),
        ("WEBP", "RGB", {"quality": 80}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"quality": 80}),
        ("WEBP", "RGB", {"exif": b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"}),
    ],
)
def test_the_header_says_what_the_decoder_finds(kind: str, mode: str, options: dict[str, Any]) -> None:
    """Also where only the first bytes are there."""
    data = encoded(kind, mode, **options)
    assert announced_size(data, kind) == SIZE
    assert announced_size(data[:64], kind) == SIZE


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP"])
def test_a_header_that_is_cut_short_says_nothing(kind: str) -> None:
    """At every length before it is whole, without an error."""
    data = encoded(kind)
    for length in range(64):
        assert announced_size(data[:length], kind) in {None, SIZE}


def test_a_bmp_may_be_written_from_the_top() -> None:
    """Its height is negative then."""
    data = bytearray(encoded("BMP"))
    data[22:26] = (-SIZE[1]).to_bytes(4, "little", signed=True)
    assert announced_size(bytes(data), "BMP") == SIZE


def with_scans(more: int, *, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG whose last scan is there so many times more."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * more + data[-2:]


def test_a_progressive_jpeg_is_decoded_and_one_of_a_thousand_scans_is_not() -> None:
    """Encoders write ten; a file of many small ones would cost minutes."""
    assert decode(with_scans(0), pixel_format=PixelFormat.RGB8, limits=ImageLimits()).shape == (64, 64, 3)
    with pytest.raises(ImageTooLarge, match="more scans"):
        decode(with_scans(1000), pixel_format=PixelFormat.RGB8, limits=ImageLimits())


def test_the_larger_the_picture_the_fewer_scans() -> None:
    """The work is what counts."""
    limits = ImageLimits(max_pixels=64 * 64)
    decode(with_scans(5), pixel_format=PixelFormat.RGB8, limits=limits)
    with pytest.raises(ImageTooLarge, match="more scans"):
        decode(with_scans(20), pixel_format=PixelFormat.RGB8, limits=limits)
