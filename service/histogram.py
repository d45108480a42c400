"""Many values into a histogram at once: one by one, the five times of an image cost more than ranking its labels."""

from bisect import bisect_left
from collections import Counter
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from prometheus_client import Histogram

from service.engine.times import Seconds

MANY = 8
"""From so many values on, NumPy finds their buckets sooner than Python does."""


def observe_all(histogram: Histogram, values: Seconds, exemplar: dict[str, str] | None = None) -> None:
    """What `observe` does with each of the values, with a lock for each bucket instead of two for each value."""
    if exemplar is not None:
        for value in values:
            histogram.observe(value, exemplar)
        return
    # Of the library's own state, for it offers no such thing; a test compares the two.
    bounds, buckets = histogram._upper_bounds, histogram._buckets  # noqa: SLF001
    if len(values) == 1:
        value = float(values[0])
        histogram._sum.inc(value)  # noqa: SLF001
        buckets[bisect_left(bounds, value)].inc(1)
        return
    if len(values) < MANY:
        histogram._sum.inc(float(sum(values)))  # noqa: SLF001
        counts = Counter(bisect_left(bounds, float(value)) for value in values)
        for place, count in counts.items():
            buckets[place].inc(count)
        return
    array = np.asarray(values, dtype=np.float64)
    histogram._sum.inc(float(array.sum()))  # noqa: SLF001
    for place, count in enumerate(np.bincount(_bounds(tuple(bounds)).searchsorted(array)).tolist()):
        if count:
            buckets[place].inc(count)


@lru_cache(maxsize=64)
def _bounds(bounds: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """A list would be made into an array every time."""
    return np.array(bounds, dtype=np.float64)
