"""What a batch of each size takes: measured when the model is loaded, and kept up to date by every batch that runs."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

SMOOTHING = 0.2
"""Weight of the newest batch."""
NEARLY = 1.1
"""A size is as good as the best one where an image costs at most so many times as much in it."""
NEARLY_ON_GPU = 1.01
"""There a batch is short, and whatever comes between two of them is shared by its images."""
OVERHEAD_SECONDS = 0.0003
"""What the event loop and the threads spend on a batch of any size, besides the session."""


class BatchCosts:
    """Seconds by batch size. Between two sizes it draws a line; all of them grow and shrink with the load together."""

    def __init__(self, measured: Mapping[int, float] | None = None) -> None:
        self._seconds = dict(sorted((measured or {}).items()))
        self._sizes = list(self._seconds)
        self._learns = not self._sizes
        self._load = 1.0
        self._known: dict[int, float] = {}
        """What was worked out for sizes so far: the scheduler asks several times for every item."""

    @property
    def known(self) -> bool:
        return bool(self._sizes)

    @property
    def learns(self) -> bool:
        """Whether nothing was measured beforehand, so that the batches themselves are all there is to learn from."""
        return self._learns

    @property
    def load(self) -> float:
        """How many times as long the last batches took as was measured."""
        return self._load

    def expected(self, size: int) -> float:
        """Seconds of a batch under the load of the last ones; 0 where nothing is known yet."""
        return self._load * self.unloaded(size)

    def least(self, size: int) -> float:
        """Seconds below which no batch of this size has been for long."""
        return min(1.0, self._load) * self.unloaded(size)

    def observe(self, size: int, seconds: float) -> None:
        """Takes note of a batch that ran."""
        if self._learns and size not in self._seconds:
            self._seconds[size] = seconds / self._load
            self._seconds = dict(sorted(self._seconds.items()))
            self._sizes = list(self._seconds)
            self._known.clear()
            return
        ratio = seconds / max(self.unloaded(size), 1e-9)
        self._load += SMOOTHING * (ratio - self._load)

    def best_size(self, most: int, *, nearly: float = NEARLY) -> int:
        """The smallest size of those measured in which an image costs at most `nearly` times as much as in the best
        one; else `most`.
        """
        return min(self._good_sizes(most, nearly), default=most)

    def largest_size(self, most: int, *, nearly: float) -> int:
        """The largest one of them."""
        return max(self._good_sizes(most, nearly), default=most)

    def _good_sizes(self, most: int, nearly: float) -> list[int]:
        sizes = [] if self._learns else [size for size in self._sizes if size <= most]
        each = {size: (self._seconds[size] + OVERHEAD_SECONDS) / size for size in sizes}
        return [size for size in sizes if each[size] <= nearly * min(each.values())]

    def largest_within(self, seconds: float, sizes: Iterable[int]) -> int | None:
        """The largest of the sizes that takes no longer than this; None where none does."""
        return max((size for size in sizes if self.unloaded(size) <= seconds), default=None)

    def unloaded(self, size: int) -> float:
        """Seconds of a batch as it was measured; `load` times as many are expected."""
        seconds = self._known.get(size)
        if seconds is None:
            seconds = self._known[size] = self._on_the_line(size)
        return seconds

    def _on_the_line(self, size: int) -> float:
        """On the line between the neighbours. Beyond the largest size: in proportion to it, or, where nothing was
        measured beforehand, as much as there, since larger batches may be much cheaper.
        """
        if not self._sizes:
            return 0.0
        place = bisect_left(self._sizes, size)
        if place == len(self._sizes):
            largest = self._sizes[-1]
            return self._seconds[largest] * (1.0 if self._learns else size / largest)
        above = self._sizes[place]
        if above == size or place == 0:
            return self._seconds[above]
        below = self._sizes[place - 1]
        share = (size - below) / (above - below)
        return self._seconds[below] + share * (self._seconds[above] - self._seconds[below])
