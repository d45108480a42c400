"""Preprocessing: pixels of any size come out as the model's input, resized, cropped and inverted as the spec says."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from service.engine.preprocess import has_bright_border, preprocess
from service.models.manifest import InputSpec, Interpolation, PixelFormat, Polarity, Resize

Pixels = npt.NDArray[np.uint8]
FILTERS = {
    Interpolation.NEAREST: Image.Resampling.NEAREST,
    Interpolation.BILINEAR: Image.Resampling.BILINEAR,
    Interpolation.BICUBIC: Image.Resampling.BICUBIC,
}
SIZES = {"portrait": (60, 30), "landscape": (30, 60), "square": (40, 40), "small": (5, 7), "strip": (3, 50)}


def spec(
    *,
    height: int = 8,
    width: int = 12,
    channels: int = 1,
    resize_to: int | None = None,
    interpolation: Interpolation = Interpolation.BILINEAR,
    polarity: Polarity = Polarity.AS_IS,
) -> InputSpec:
    return InputSpec(
        pixel_format=PixelFormat.GRAY8 if channels == 1 else PixelFormat.RGB8,
        height=height,
        width=width,
        resize=Resize.STRETCH if resize_to is None else Resize.SHORTER_SIDE,
        resize_to=resize_to,
        interpolation=interpolation,
        polarity=polarity,
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )


def noise(height: int, width: int, channels: int = 1) -> Pixels:
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def resized(pixels: Pixels, height: int, width: int, interpolation: Interpolation) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((width, height), FILTERS[interpolation]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_stretch_takes_the_whole_picture(size: tuple[int, int], interpolation: Interpolation, channels: int) -> None:
    """Both sides go to the input's size, whatever the aspect ratio."""
    pixels = noise(*size, channels)
    tensor = preprocess(pixels, spec(channels=channels, interpolation=interpolation))
    assert tensor.shape == (8, 12, channels)
    assert tensor.dtype == np.uint8
    assert np.array_equal(tensor.squeeze(), resized(pixels, 8, 12, interpolation))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "scaled", "corner"),
    [
        ((60, 30), (40, 20), (14, 4)),  # portrait: 20 wide, 40 high, 12 × 12 from the middle
        ((30, 60), (20, 40), (4, 14)),  # landscape
        ((50, 50), (20, 20), (4, 4)),  # square
        ((20, 44), (20, 44), (4, 16)),  # nothing to scale
        ((5, 10), (20, 40), (4, 14)),  # scaled up
    ],
)
def test_shorter_side_keeps_the_aspect_ratio_and_crops_the_centre(
    size: tuple[int, int], scaled: tuple[int, int], corner: tuple[int, int], channels: int
) -> None:
    """The shorter side becomes `resize_to`; what lies outside the centre is dropped evenly."""
    pixels = noise(*size, channels)
    tensor = preprocess(pixels, spec(height=12, width=12, resize_to=20, channels=channels))
    top, left = corner
    whole = resized(pixels, *scaled, Interpolation.BILINEAR)
    assert tensor.shape == (12, 12, channels)
    assert np.array_equal(tensor.squeeze(), whole[top : top + 12, left : left + 12])


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", [(375, 500), (500, 333), (1200, 1600), (199, 272), (640, 427), (225, 224)])
def test_scaling_only_what_the_crop_shows_changes_next_to_nothing(
    size: tuple[int, int], interpolation: Interpolation
) -> None:
    """The crop of the whole scaled picture, against the crop that is scaled alone: a step here and there."""
    height, width = size
    pixels = noise(height, width, 3)
    shorter = min(height, width)
    scaled = (256 * height // shorter, 256 * width // shorter)
    top, left = round((scaled[0] - 224) / 2), round((scaled[1] - 224) / 2)
    whole = resized(pixels, *scaled, interpolation)[top : top + 224, left : left + 224].astype(int)
    wanted = spec(height=224, width=224, channels=3, resize_to=256, interpolation=interpolation)
    difference = np.abs(preprocess(pixels, wanted) - whole)
    assert int(difference.max()) <= 1
    assert float(difference.mean()) <= 0.05


@pytest.mark.parametrize("size", [(99, 31), (31, 99), (224, 225), (225, 224), (33, 64), (1, 1), (97, 97)])
def test_odd_sizes_fill_the_crop(size: tuple[int, int]) -> None:
    """Rounding never leaves the crop a row or column short."""
    tensor = preprocess(np.full(size, 200, dtype=np.uint8), spec(height=31, width=33, resize_to=33))
    assert tensor.shape == (31, 33, 1)
    assert np.all(tensor == 200)


def test_the_crop_lies_in_the_centre() -> None:
    """A bright column in the middle of a wide picture stays in the middle."""
    pixels = np.zeros((10, 41), dtype=np.uint8)
    pixels[:, 20] = 255
    tensor = preprocess(pixels, spec(height=9, width=9, resize_to=10))
    assert abs(int(tensor[4, :, 0].argmax()) - 4) <= 1
    assert int(tensor[4].max()) == 255


@pytest.mark.parametrize("resize_to", [None, 12])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_of_the_right_size_is_not_touched(channels: int, resize_to: int | None) -> None:
    """Not a value changes where there is nothing to resize."""
    pixels = noise(12, 12, channels)
    tensor = preprocess(pixels, spec(height=12, width=12, channels=channels, resize_to=resize_to))
    assert np.array_equal(tensor, pixels.reshape(12, 12, channels))


@pytest.mark.parametrize("resize_to", [None, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 2), (1, 500), (500, 1)])
def test_the_smallest_pictures_come_through(size: tuple[int, int], channels: int, resize_to: int | None) -> None:
    """One pixel, one row, one column: a plain picture stays plain."""
    shape = size if channels == 1 else (*size, channels)
    tensor = preprocess(np.full(shape, 77, dtype=np.uint8), spec(channels=channels, resize_to=resize_to))
    assert tensor.shape == (8, 12, channels)
    assert np.all(tensor == 77)


def test_a_long_strip_does_not_fill_the_memory() -> None:
    """8192 × 1 pixels, scaled whole to 256 rows, would take 1.6 GB; only the middle is looked at."""
    began = time.process_time()
    tensor = preprocess(noise(1, 8192, 3), spec(height=224, width=224, channels=3, resize_to=256))
    assert tensor.shape == (224, 224, 3)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize("turned", [False, True])
def test_a_long_strip_gives_what_the_whole_of_it_would(turned: bool) -> None:
    """Cutting off the far ends first does not change what the crop shows."""
    pixels = np.linspace(0, 255, 30 * 600).reshape(600, 30).astype(np.uint8).T.copy()  # (30, 600)
    whole = resized(pixels, 20, 400, Interpolation.BILINEAR)[4:16, 194:206]
    tensor = preprocess(pixels.T if turned else pixels, spec(height=12, width=12, resize_to=20))[..., 0]
    assert int(np.abs((tensor.T if turned else tensor).astype(int) - whole).max()) <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_dark_on_bright_is_inverted_where_the_model_wants_bright_on_dark(channels: int) -> None:
    """A white ground turns the picture over; a black one leaves it."""
    shape = (8, 12) if channels == 1 else (8, 12, 3)
    on_white = np.full(shape, 255, dtype=np.uint8)
    on_white[3:5, 4:8] = 10
    wanted = spec(channels=channels, polarity=Polarity.BRIGHT_ON_DARK)
    inverted = preprocess(on_white, wanted)
    assert np.array_equal(inverted, (255 - on_white).reshape(8, 12, channels))
    assert np.array_equal(preprocess(255 - on_white, wanted), inverted)


def test_without_a_polarity_nothing_is_inverted() -> None:
    """As it is means as it is, white ground or not."""
    white = np.full((8, 12), 255, dtype=np.uint8)
    assert np.all(preprocess(white, spec()) == 255)


def test_the_pixels_of_the_caller_are_left_alone() -> None:
    """Inverting makes a copy: decoded pixels may be read-only or shared."""
    pixels = np.full((8, 12), 255, dtype=np.uint8)
    pixels.flags.writeable = False
    assert np.all(preprocess(pixels, spec(polarity=Polarity.BRIGHT_ON_DARK)) == 0)
    assert np.all(pixels == 255)


@pytest.mark.parametrize(
    ("bright", "expected"),
    [(0, False), (14, False), (27, False), (28, True), (36, True)],  # of the 36 border pixels of 8 × 12
)
def test_the_border_is_bright_above_three_quarters(bright: int, expected: bool) -> None:
    """The lower quartile of the border decides, each border pixel counted once; the inside does not count."""
    pixels = np.full((8, 12), 255, dtype=np.uint8)
    border = [(row, column) for row in range(8) for column in range(12) if row in {0, 7} or column in {0, 11}]
    assert len(border) == 36
    for place, (row, column) in enumerate(border):
        pixels[row, column] = 128 if place < bright else 127
    assert has_bright_border(pixels) is expected


@pytest.mark.parametrize(("value", "expected"), [(127, False), (128, True)])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 2)])
def test_a_picture_that_is_all_border(size: tuple[int, int], value: int, expected: bool) -> None:
    """Pictures too small for an inside are judged by what they have."""
    assert has_bright_border(np.full(size, value, dtype=np.uint8)) is expected
