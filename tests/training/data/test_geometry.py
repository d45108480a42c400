"""Pictures are brought into the model's form, and the user is told."""

from dataclasses import replace

import numpy as np
from PIL import Image

from training.config import Preprocessing
from training.data import Dataset
from training.data.geometry import adapt, fit_picture

GREY = Preprocessing(pixel_format="gray8", height=28, width=28, mean=(0.5,), std=(0.5,))
COLOUR = Preprocessing(pixel_format="rgb8", height=32, width=32, mean=(0.5,) * 3, std=(0.5,) * 3)


def test_pictures_that_fit_are_left_alone(sample: Dataset) -> None:
    """Not even copied."""
    assert adapt(sample, GREY) is sample


def test_grey_pictures_become_colour_and_grow(sample: Dataset) -> None:
    """Three equal channels, and a sentence about it."""
    adapted = adapt(sample, COLOUR)
    assert adapted.train.pixels.shape == (600, 32, 32, 3)
    assert np.array_equal(adapted.test.pixels[..., 0], adapted.test.pixels[..., 2])
    (note,) = adapted.notes
    assert "are given three equal channels and resized from 28 x 28 to 32 x 32 for the model" in note


def test_pictures_of_the_right_size_are_scaled_and_cropped_all_the_same(sample: Dataset) -> None:
    """The rule is the rule, and whoever serves the model follows it too."""
    rule = replace(GREY, resize="shorter_side", resize_to=32)
    adapted = adapt(sample, rule)
    expected = fit_picture(Image.fromarray(sample.train.pixels[0, ..., 0]), rule)
    assert np.array_equal(adapted.train.pixels[0], expected)
    assert not np.array_equal(adapted.train.pixels[0], sample.train.pixels[0])
    assert "are scaled to 32 and cropped to 28 x 28 again" in adapted.notes[-1]


def test_the_shorter_side_is_scaled_and_the_centre_cut_out() -> None:
    """A white square in the middle of a wide black picture fills the crop."""
    wide = Image.new("RGB", (60, 20))
    wide.paste((255, 255, 255), (20, 0, 40, 20))
    rule = Preprocessing(
        pixel_format="rgb8", height=8, width=8, resize="shorter_side", resize_to=10, mean=(0.5,) * 3, std=(0.5,) * 3
    )
    assert fit_picture(wide, rule).min() == 255
    stretched = Preprocessing(pixel_format="gray8", height=8, width=8, mean=(0.5,), std=(0.5,))
    pixels = fit_picture(wide, stretched)
    assert pixels.shape == (8, 8, 1)
    assert pixels[4, 0, 0] == 0


def test_a_strip_is_cut_before_it_is_scaled() -> None:
    """One pixel high and 60,000 wide it would otherwise be scaled to 256 by 15 million."""
    rule = replace(COLOUR, resize="shorter_side", resize_to=256, height=224, width=224)
    for size in ((60_000, 1), (1, 60_000)):
        strip = Image.new("RGB", size)
        strip.paste(
            (255, 255, 255), (size[0] // 2 - 4, 0, size[0] // 2 + 4, 1) if size[1] == 1 else (0, 29_996, 1, 30_004)
        )
        assert fit_picture(strip, rule).min() == 255


def test_pictures_on_a_bright_ground_are_inverted_where_the_model_wants_it(sample: Dataset) -> None:
    """As the service does it, and with a note for each split; clothes on black stay as they are."""
    rule = replace(GREY, polarity="bright_on_dark")
    assert adapt(sample, rule) is sample
    inverted = replace(sample, train=replace(sample.train, pixels=255 - sample.train.pixels))
    adapted = adapt(inverted, rule)
    border = adapted.train.pixels[:, 0].mean(axis=(1, 2))
    assert np.count_nonzero(border > 127) < 6
    (note,) = adapted.notes
    assert note.startswith("training: ")
    assert "of 600 pictures on a bright ground are inverted" in note
