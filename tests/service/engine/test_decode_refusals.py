"""Decoding: what is no picture, too large or not accepted is a ServiceError, and so is whatever else anyone sends."""

import io
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.engine.decode import ImageLimits, decode
from service.errors import ImageTooLarge, ImageUnreadable, ImageUnsupported, ServiceError
from service.models.manifest import PixelFormat
from tests.service.engine.encoded import (
    COMBINATIONS,
    FORMATS,
    HEIGHT,
    MODES,
    WIDTH,
    colours,
    encoded,
    in_mode,
    oriented,
)

LIMITS = ImageLimits()


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and ends there."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def bmp_header(width: int, height: int) -> bytes:
    """A BMP that announces a size and ends there."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def jpeg_header(width: int, height: int) -> bytes:
    """A JPEG whose frame header announces another size than its scan holds."""
    data = bytearray(encoded(colours(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def gif_header(width: int, height: int) -> bytes:
    data = bytearray(encoded(colours(), "GIF"))
    data[6:10] = struct.pack("<HH", width, height)
    return bytes(data)


def webp_header(width: int, height: int) -> bytes:
    """A lossless WebP whose header announces another size than its content holds."""
    data = bytearray(encoded(colours(), "WEBP"))
    start = data.index(b"VP8L") + 9  # after the chunk's name, its length and the signature byte
    bits = int.from_bytes(data[start : start + 4], "little") >> 28 << 28
    data[start : start + 4] = (bits | (height - 1) << 14 | (width - 1)).to_bytes(4, "little")
    return bytes(data)


HEADERS = {"PNG": png_header, "BMP": bmp_header, "JPEG": jpeg_header, "GIF": gif_header, "WEBP": webp_header}


def test_an_empty_image_is_named_as_such() -> None:
    """No bytes, no guessing."""
    with pytest.raises(ImageUnreadable, match="empty"):
        decode(b"", pixel_format=PixelFormat.RGB8, limits=LIMITS)


@pytest.mark.parametrize("data", [b"hello", b"\x00", b"{}", b"<!doctype html>", "žluťoučký".encode(), b"RIFF1234WAVE"])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    """Text, a page, a sound: the message lists what is accepted."""
    with pytest.raises(ImageUnreadable, match="JPEG, PNG, WebP, GIF or BMP"):
        decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", MODES)
def test_a_picture_cut_short_is_unreadable(kind: str, part: float) -> None:
    """Half a picture is never classified."""
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageUnreadable):
        decode(data[: int(len(data) * part)], pixel_format=PixelFormat.RGB8, limits=LIMITS)


@pytest.mark.parametrize("signature", [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF\0\0\0\0WEBP"])
def test_a_signature_alone_is_unreadable(signature: bytes) -> None:
    """The first bytes promise a picture that does not follow."""
    with pytest.raises(ImageUnreadable):
        decode(signature, pixel_format=PixelFormat.RGB8, limits=LIMITS)


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "PDF", "ICO"])
def test_other_formats_are_unsupported(kind: str) -> None:
    """Real files of formats that are not decoded here are named as such."""
    buffer = io.BytesIO()
    colours().resize((32, 32)).save(buffer, kind)
    with pytest.raises(ImageUnsupported, match=f"{kind}.*convert"):
        decode(buffer.getvalue(), pixel_format=PixelFormat.RGB8, limits=LIMITS)


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (16_000, 16_000), (9_000, 2), (2, 9_000)])
def test_a_header_that_announces_too_much_is_refused(kind: str, width: int, height: int) -> None:
    """By the header alone, whatever the format: the message says the size and the limits."""
    with pytest.raises(ImageTooLarge, match=f"{width:,} × {height:,}.*8,192.*24,000,000") as refusal:
        decode(HEADERS[kind](width, height), pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert refusal.value.metadata == {"limit_side": "8192", "limit_pixels": "24000000"}


def test_a_bomb_is_refused_before_a_pixel_is_allocated() -> None:
    """A header of 20,000 × 20,000 pixels, 1.2 GB decoded, is refused in no time."""
    began = time.process_time()
    with pytest.raises(ImageTooLarge):
        decode(png_header(20_000, 20_000), pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert time.process_time() - began < 0.1


@pytest.mark.parametrize("header", [png_header, bmp_header])
def test_limits_above_the_default_are_honoured(header: Callable[[int, int], bytes]) -> None:
    """What the settings allow is not refused by the library's own idea of a bomb: here only the pixels are missing."""
    generous = ImageLimits(max_side=20_000, max_pixels=400_000_000)
    with pytest.raises(ImageUnreadable):
        decode(header(10_000, 10_000), pixel_format=PixelFormat.GRAY8, limits=generous)


@pytest.mark.parametrize("kind", MODES)
def test_limits_are_inclusive(kind: str) -> None:
    """Exactly as many bytes, pixels and pixels a side as allowed pass; one more of any is refused."""
    data = encoded(colours(), kind)
    exact = {"max_bytes": len(data), "max_side": WIDTH, "max_pixels": WIDTH * HEIGHT}
    assert decode(data, pixel_format=PixelFormat.GRAY8, limits=ImageLimits(**exact)).shape == (HEIGHT, WIDTH)
    for name, value in exact.items():
        with pytest.raises(ImageTooLarge):
            decode(data, pixel_format=PixelFormat.GRAY8, limits=ImageLimits(**{**exact, name: value - 1}))


def test_a_compressed_text_chunk_does_not_blow_up() -> None:
    """64 MB of text in a PNG of 64 kB: a picture or a refusal, and soon."""
    notes = PngInfo()
    notes.add_text("comment", "a" * 2**26, zip=True)
    data = encoded(colours(), "PNG", pnginfo=notes)
    began = time.process_time()
    with pytest.raises(ImageUnreadable):
        decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert time.process_time() - began < 1.0


def test_a_jpeg_of_an_unknown_colour_space_is_a_service_error() -> None:
    """A frame of two components has no colour that anyone knows."""
    data = bytearray(encoded(colours(), "JPEG"))
    frame = data.index(b"\xff\xc0")
    data[frame + 9] = 2
    with pytest.raises(ServiceError):
        decode(bytes(data), pixel_format=PixelFormat.RGB8, limits=LIMITS)


SEEDS = [encoded(in_mode(mode), kind) for kind, mode in COMBINATIONS] + [
    encoded(colours(), "JPEG", exif=oriented(6)),
    encoded(colours(), "PNG", exif=oriented(6)),
    encoded(colours(), "WEBP", exif=oriented(6)),
    encoded(colours(), "GIF", save_all=True, append_images=[colours().rotate(180)]),
    encoded(Image.fromarray(np.full((HEIGHT, WIDTH), 30_000, dtype=np.uint16)), "PNG"),
]
SMALL = ImageLimits(max_side=512, max_pixels=512 * 512)


def check_pixels_or_service_error(data: bytes, pixel_format: PixelFormat) -> None:
    try:
        pixels: npt.NDArray[np.uint8] = decode(data, pixel_format=pixel_format, limits=SMALL)
    except ServiceError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == (2 if pixel_format is PixelFormat.GRAY8 else 3)
    assert pixels.size > 0


@settings(deadline=None, max_examples=150, derandomize=True)
@given(
    start=st.sampled_from([b"", *(seed[:12] for seed in SEEDS)]),
    rest=st.binary(max_size=300),
    target=st.sampled_from(FORMATS),
)
def test_arbitrary_bytes_give_pixels_or_a_service_error(start: bytes, rest: bytes, target: PixelFormat) -> None:
    """Whatever anyone sends, the way through the decoder ends in one of the two."""
    check_pixels_or_service_error(start + rest, target)


@settings(deadline=None, max_examples=400, derandomize=True)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    part=st.one_of(st.just(1.0), st.floats(0, 1)),
    target=st.sampled_from(FORMATS),
)
def test_mutated_files_give_pixels_or_a_service_error(
    seed: bytes, changes: list[tuple[float, int]], part: float, target: PixelFormat
) -> None:
    """Real files with a few bytes changed and the end cut off."""
    data = bytearray(seed)
    for place, value in changes:
        data[int(place * place * len(data))] = value  # headers lie in front: hit them more often
    check_pixels_or_service_error(bytes(data[: round(len(data) * part)]), target)
