"""Where the time of several images goes: a column for each of the fields of Times, with a number for each image.

As objects, the times of an image cost as much as ranking its labels.
"""

from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

TimeColumns: TypeAlias = npt.NDArray[np.float64]  # (len(Column), images)


class Column(IntEnum):
    """By the names of the fields."""

    DECODE = 0
    PREPROCESS = 1
    QUEUE = 2
    INFERENCE = 3
    POSTPROCESS = 4
    BATCH_SIZE = 5
    PADDING = 6
    BEGAN_AT = 7
    COMPUTED_AT = 8
    LOOKUP = 9
    """NaN where there is no response cache."""


def no_times(images: int) -> TimeColumns:
    """To be filled in."""
    return np.zeros((len(Column), images))
