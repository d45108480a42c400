"""Where the time of several images goes: a row for each image and a column for each of the fields of Times.

As objects, the times of an image cost as much as ranking its labels.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

TIMES = np.dtype(
    [
        ("decode", np.float64),
        ("preprocess", np.float64),
        ("queue", np.float64),
        ("inference", np.float64),
        ("postprocess", np.float64),
        ("batch_size", np.int64),
        ("padding", np.int64),
        ("began_at", np.float64),
        ("computed_at", np.float64),
        ("lookup", np.float64),  # NaN where there is no response cache
    ]
)

TimeColumns: TypeAlias = npt.NDArray[np.void]  # (images,) of TIMES
