"""Occlusion: which parts of an image are painted over, and with what."""

import numpy as np
import pytest

from service.engine.occlusion import Grid, grey_of, occluded
from service.models.manifest import InputSpec, PixelFormat


@pytest.mark.parametrize(
    ("height", "width", "rows", "columns"),
    [(28, 28, 14, 14), (224, 224, 14, 14), (8, 12, 8, 12), (299, 299, 14, 14), (1, 1, 1, 1), (15, 100, 8, 13)],
)
def test_the_grid_covers_the_image_with_at_most_14_cells_a_side(
    height: int, width: int, rows: int, columns: int
) -> None:
    """Every pixel lies in the patch of its own cell."""
    grid = Grid(height=height, width=width)
    assert (grid.rows, grid.columns) == (rows, columns)
    covered = np.zeros((height, width), dtype=bool)
    for where in grid.patches():
        assert covered[where].size > 0
        covered[where] = True
    assert covered.all()


def test_a_patch_is_painted_over_and_nothing_else() -> None:
    """Three cells wide and high around its own, cut at the edges; the original stays as it is."""
    image = np.full((28, 28, 3), 200, dtype=np.uint8)
    grey = np.array([1, 2, 3], dtype=np.uint8)
    copies = list(occluded(image, Grid(height=28, width=28), grey))
    assert len(copies) == 14 * 14
    assert (image == 200).all()
    corner, middle = copies[0], copies[7 * 14 + 7]
    assert (corner[:4, :4] == grey).all()
    assert (corner == 200).all(axis=2).sum() == 28 * 28 - 16
    assert (middle[12:18, 12:18] == grey).all()
    assert (middle == 200).all(axis=2).sum() == 28 * 28 - 36


def test_grey_is_the_average_training_pixel() -> None:
    """One value for each channel, rounded."""
    spec = InputSpec(pixel_format=PixelFormat.RGB8, height=8, width=8, mean=(0.5, 0.0, 1.0), std=(1.0, 1.0, 1.0))
    assert grey_of(spec).tolist() == [128, 0, 255]
