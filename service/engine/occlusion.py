"""Occlusion sensitivity (Zeiler and Fergus 2014): which parts of an image, hidden, make a label less probable.

The image is laid out in a grid of at most 14 × 14 cells. For each cell, a patch of 3 × 3 cells around it is painted
over in the colour of the average training pixel, which normalisation turns into zero: the model takes it for nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.models.manifest import InputSpec

CELLS_A_SIDE = 14

Tensor = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """How an image is cut into cells; those at the right and bottom edge may be smaller."""

    height: int
    width: int

    @property
    def cell_height(self) -> int:
        return math.ceil(self.height / CELLS_A_SIDE)

    @property
    def cell_width(self) -> int:
        return math.ceil(self.width / CELLS_A_SIDE)

    @property
    def rows(self) -> int:
        return math.ceil(self.height / self.cell_height)

    @property
    def columns(self) -> int:
        return math.ceil(self.width / self.cell_width)

    def patches(self) -> Iterator[tuple[slice, slice]]:
        """Where the patch of each cell lies, row by row."""
        for row in range(self.rows):
            for column in range(self.columns):
                yield _around(row, self.cell_height), _around(column, self.cell_width)


def grey_of(spec: InputSpec) -> npt.NDArray[np.uint8]:
    """The average training pixel, one value for each channel."""
    return np.round(np.array(spec.mean) * 255.0).clip(0, 255).astype(np.uint8)


def occluded(tensor: Tensor, grid: Grid, grey: npt.NDArray[np.uint8]) -> Iterator[Tensor]:
    """Copies of the image `[H, W, C]`, one for each cell, with the patch around it painted over."""
    for rows, columns in grid.patches():
        copy = tensor.copy()
        copy[rows, columns] = grey
        yield copy


def _around(cell: int, size: int) -> slice:
    return slice(max(0, (cell - 1) * size), (cell + 2) * size)
