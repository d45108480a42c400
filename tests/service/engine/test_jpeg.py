"""JPEG: the size is read from the header, and what is decoded scaled down shows the same picture, upright."""

import io

import numpy as np
import pytest
from PIL import Image

from service.engine.jpeg import DENOMINATORS, JpegHeader, JpegOdd, Pixels, decode_jpeg, denominator_for, read_header
from service.engine.jpeg_markers import JpegMarkers
from service.models.manifest import PixelFormat

HEIGHT, WIDTH = 333, 500


def scene() -> Image.Image:
    """Smooth, without any symmetry."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    layers = (columns * 255 // WIDTH, rows * 255 // HEIGHT, 128 + 100 * np.sin(columns / 40 + rows / 90))
    return Image.fromarray(np.stack(layers, axis=-1).astype(np.uint8))


def encoded(picture: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


def shrunk(picture: Image.Image, size: tuple[int, int]) -> Pixels:
    return np.asarray(picture.resize(size, Image.Resampling.BOX))


@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_a_fraction_of_the_size_shows_the_same_picture(denominator: int, pixel_format: PixelFormat) -> None:
    """Each side is divided and rounded up; the pixels are the averages of those that they stand for."""
    data = encoded(scene())
    pixels = decode_jpeg(data, read_header(data), pixel_format, denominator=denominator)
    height, width = -(-HEIGHT // denominator), -(-WIDTH // denominator)
    assert pixels.shape[:2] == (height, width)
    whole = scene() if pixel_format is PixelFormat.RGB8 else scene().convert("L")
    difference = np.abs(pixels.astype(int) - shrunk(whole, (width, height)))
    assert float(difference.mean()) < 4.0


def test_the_whole_is_what_pillow_decodes() -> None:
    """Without a fraction not a value differs."""
    data = encoded(scene())
    with Image.open(io.BytesIO(data)) as picture:
        expected = np.asarray(picture)
    assert np.array_equal(decode_jpeg(data, read_header(data), PixelFormat.RGB8), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_fraction_is_upright(orientation: int) -> None:
    """The camera's orientation is undone at every size."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(scene(), exif=exif)
    header = read_header(data)
    whole = decode_jpeg(data, header, PixelFormat.RGB8)
    half = decode_jpeg(data, header, PixelFormat.RGB8, denominator=2)
    assert (half.shape[0] > half.shape[1]) is (orientation >= 5)
    size = (half.shape[1], half.shape[0])
    assert float(np.abs(half.astype(int) - shrunk(Image.fromarray(whole), size)).mean()) < 4.0


@pytest.mark.parametrize(
    ("size", "at_least", "expected"),
    [
        ((512, 900), 256, 2),  # exactly twice the target
        ((511, 900), 256, 1),
        ((900, 1024), 256, 2),  # the shorter side decides
        ((1024, 1024), 256, 4),
        ((3000, 4000), 256, 8),
        ((333, 500), 0.65 * 256, 2),
        ((10, 10), 256, 1),
    ],
)
def test_no_side_becomes_smaller_than_asked_for(size: tuple[int, int], at_least: float, expected: int) -> None:
    """The strongest reduction that leaves enough."""
    height, width = size
    markers = JpegMarkers(one_scan=True, exif=False)
    assert denominator_for(JpegHeader(height=height, width=width, markers=markers), at_least) == expected


@pytest.mark.parametrize("data", [b"\xff\xd8\xff", b"\xff\xd8\xff\xe0nothing", b""])
def test_what_has_no_header_is_odd(data: bytes) -> None:
    """Pillow is asked then, and says what is wrong."""
    with pytest.raises(JpegOdd):
        read_header(data)


def test_a_file_that_is_cut_short_is_odd() -> None:
    """Half a picture is not answered for a whole one, at no size."""
    data = encoded(scene())
    for denominator in (1, *DENOMINATORS):
        with pytest.raises(JpegOdd):
            decode_jpeg(data[: len(data) // 2], read_header(data), PixelFormat.RGB8, denominator=denominator)
