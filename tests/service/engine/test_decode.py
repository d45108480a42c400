"""Decoding: every accepted format and mode gives the pixels that Pillow gives."""

import io
import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageOps

from service.engine.decode import ImageLimits, decode, sniff
from service.engine.jpeg import Pixels
from service.models.manifest import PixelFormat
from tests.service.engine.encoded import (
    COMBINATIONS,
    FORMATS,
    HEIGHT,
    MODES,
    TARGETS,
    WIDTH,
    colours,
    encoded,
    in_mode,
    oriented,
)

LIMITS = ImageLimits()


def reference(data: bytes, mode: str) -> Pixels:
    """Pillow's conversion, what is transparent laid on white with plain arithmetic."""
    with Image.open(io.BytesIO(data)) as picture:
        if not picture.has_transparency_data:
            return np.asarray(picture.convert(mode))
        layers = np.asarray(picture.convert("RGBA")).astype(np.float64)
    alpha = layers[..., 3:] / 255.0
    flat = layers[..., :3] * alpha + 255.0 * (1.0 - alpha)
    return np.asarray(Image.fromarray(flat.round().astype(np.uint8)).convert(mode))


def assert_close(pixels: Pixels, expected: Pixels, tolerance: int) -> None:
    assert pixels.dtype == np.uint8
    assert pixels.shape == expected.shape
    assert int(np.abs(pixels.astype(int) - expected.astype(int)).max()) <= tolerance


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize(("kind", "mode"), COMBINATIONS)
def test_every_mode_of_every_format_decodes_as_pillow_does(kind: str, mode: str, pixel_format: PixelFormat) -> None:
    """Grey and RGB from every mode that a format can hold; JPEG and blending may round differently by a step or two."""
    data = encoded(in_mode(mode), kind)
    pixels = decode(data, pixel_format=pixel_format, limits=LIMITS)
    assert sniff(data) == kind
    assert_close(pixels, reference(data, TARGETS[pixel_format]), 2 if kind == "JPEG" or "A" in mode else 0)


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(kind: str, pixel_format: PixelFormat) -> None:
    """The colour behind a transparent palette entry is not shown."""
    picture = Image.new("P", (4, 2), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((0, 0), 0)
    pixels = decode(encoded(picture, kind, transparency=0), pixel_format=pixel_format, limits=LIMITS)
    assert np.all(pixels[0, 0] == 255)
    grey = Image.new("RGB", (1, 1), (200, 100, 50)).convert("L").getpixel((0, 0))
    assert np.all(pixels[1, 3] == (grey if pixel_format is PixelFormat.GRAY8 else (200, 100, 50)))


@pytest.mark.parametrize(("mode", "key", "behind"), [("L", 7, 7), ("RGB", (7, 8, 9), (7, 8, 9)), ("1", 0, 0)])
def test_a_colour_key_of_a_png_becomes_white(mode: str, key: object, behind: float | tuple[int, ...]) -> None:
    """PNG can name one grey or colour as transparent."""
    picture = Image.new(mode, (3, 2), 255 if mode != "RGB" else (200, 100, 50))
    picture.putpixel((1, 0), behind)
    pixels = decode(encoded(picture, "PNG", transparency=key), pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert np.all(pixels[0, 1] == 255)


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_sixteen_bits_are_scaled_to_eight(pixel_format: PixelFormat) -> None:
    """65535 is white and 0 black, what lies between is rounded, nothing is clipped."""
    values = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    pixels = decode(encoded(Image.fromarray(values), "PNG"), pixel_format=pixel_format, limits=LIMITS)
    grey = (values / 257.0).round().astype(np.uint8)
    expected = grey if pixel_format is PixelFormat.GRAY8 else np.repeat(grey[..., np.newaxis], 3, axis=-1)
    assert np.array_equal(pixels, expected)


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "options", [{"progressive": True}, {"quality": 100, "subsampling": 0}, {"restart_marker_rows": 1}]
)
def test_kinds_of_jpeg(mode: str, options: dict[str, object], pixel_format: PixelFormat) -> None:
    """Progressive, without chroma subsampling, with restart markers."""
    data = encoded(in_mode(mode), "JPEG", **options)
    assert_close(
        decode(data, pixel_format=pixel_format, limits=LIMITS), reference(data, TARGETS[pixel_format]), tolerance=2
    )


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_camera_is_undone(orientation: int, kind: str, pixel_format: PixelFormat) -> None:
    """All eight values of the EXIF tag, against Pillow's exif_transpose."""
    data = encoded(colours(), kind, exif=oriented(orientation))
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture).convert(TARGETS[pixel_format]))
    pixels = decode(data, pixel_format=pixel_format, limits=LIMITS)
    assert_close(pixels, expected, 1 if kind == "JPEG" else 0)
    assert pixels.flags.c_contiguous


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    """The picture is taken as it lies."""
    data = encoded(colours(), "JPEG", exif=oriented(orientation))
    assert decode(data, pixel_format=PixelFormat.GRAY8, limits=LIMITS).shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize("keep", [6, 10, 15, 20, 27])
def test_a_broken_exif_block_does_not_spoil_the_pixels(keep: int) -> None:
    """EXIF that ends early or points nowhere costs the orientation and nothing else."""
    exif = oriented(6).tobytes()[:keep]
    data = encoded(colours(), "JPEG", exif=exif + b"\xff" * 4)
    pixels = decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert_close(pixels, reference(encoded(colours(), "JPEG"), "RGB"), tolerance=1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    """Later frames are not looked at."""
    first = Image.new("RGB", (5, 4), (250, 0, 0))
    later = [Image.new("RGB", (5, 4), (0, 0, 250)), Image.new("RGB", (5, 4), (0, 250, 0))]
    data = encoded(first, kind, save_all=True, append_images=later)
    pixels = decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert pixels.shape == (4, 5, 3)
    assert np.all(pixels == (250, 0, 0))


@pytest.mark.parametrize("kind", MODES)
def test_the_smallest_picture_is_decoded(kind: str) -> None:
    """One pixel is a picture."""
    data = encoded(Image.new("RGB", (1, 1), "white"), kind)
    assert np.all(decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS) == 255)


@pytest.mark.parametrize("kind", MODES)
def test_bytes_after_the_end_are_ignored(kind: str) -> None:
    """Many writers leave something behind the picture."""
    data = encoded(colours(), kind)
    pixels = decode(data + b"left behind" * 50, pixel_format=PixelFormat.RGB8, limits=LIMITS)
    assert np.array_equal(pixels, decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS))


def test_many_threads_at_once_give_the_same_pixels() -> None:
    """The decoders share nothing."""
    files = [encoded(in_mode(mode), kind) for kind, mode in COMBINATIONS]
    alone = [decode(data, pixel_format=PixelFormat.RGB8, limits=LIMITS) for data in files]

    def one(index: int) -> bool:
        pixels = decode(files[index], pixel_format=PixelFormat.RGB8, limits=LIMITS)
        return np.array_equal(pixels, alone[index])

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert all(pool.map(one, itertools.chain.from_iterable(itertools.repeat(range(len(files)), 20))))
