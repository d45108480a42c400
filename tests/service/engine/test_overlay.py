"""The heat map laid over the image."""

import io

import numpy as np
import pytest
from PIL import Image

from service.engine.overlay import draw_overlay


def drawn(tensor: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], values: list[list[float]]) -> Image.Image:
    return Image.open(io.BytesIO(draw_overlay(tensor, np.array(values, dtype=np.float32))))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (8, 12), (224, 224), (500, 300)])
def test_small_images_are_enlarged_and_large_ones_kept(height: int, width: int) -> None:
    """To at least 224 pixels on the shorter side, the shape kept."""
    picture = drawn(np.zeros((height, width, 1), dtype=np.uint8), [[0.0]])
    assert min(picture.size) >= min(224, min(height, width) * 28)
    assert picture.size[0] * height == picture.size[1] * width


def test_warm_speaks_for_and_cold_against() -> None:
    """Left positive, right negative, on a grey image."""
    pixels = np.asarray(drawn(np.full((28, 28, 3), 128, dtype=np.uint8), [[1.0, -1.0]])).astype(int)
    left, right = pixels[100, 10], pixels[100, -10]
    assert left[0] > left[2] + 50
    assert right[2] > right[0] + 50


def test_a_map_of_zeros_changes_nothing() -> None:
    """And divides by nothing."""
    pixels = np.asarray(drawn(np.full((28, 28, 3), 77, dtype=np.uint8), [[0.0, 0.0]]))
    assert (pixels == 77).all()
