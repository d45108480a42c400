"""How far the answers have moved from those on the validation split: the population stability index of recent images.

PSI = Σ (live − baseline) · ln(live / baseline) over the shares of each label, or of each bin of the best probability.
Usage has it that 0.1 is a shift and 0.25 a large one. Few images scatter by themselves (about bins / images), so
nothing is said before half of the window is full.
"""

import math
from collections import deque
from collections.abc import Sequence

from service.models.manifest import Baseline

IMAGES_PER_BIN = 100
"""The window: enough for a share's scatter to stay an order below what counts as a shift."""


class ShareDrift:
    """One distribution over bins, against its baseline. Fed on the event loop, read by the metrics' thread."""

    def __init__(self, baseline: Sequence[float]) -> None:
        self._baseline = baseline
        self._counts = [0] * len(baseline)
        self._recent: deque[int] = deque()
        self._window = IMAGES_PER_BIN * len(baseline)

    @property
    def bins(self) -> int:
        return len(self._baseline)

    def observe(self, places: Sequence[int]) -> None:
        """One more image in each of these bins; the oldest beyond the window are forgotten."""
        self._recent.extend(places)
        for place in places:
            self._counts[place] += 1
        for _ in range(len(self._recent) - self._window):
            self._counts[self._recent.popleft()] -= 1

    def psi(self) -> float:
        """NaN while too few images were seen. Empty bins count as half an image, so that the logarithm exists."""
        counts = list(self._counts)
        images = sum(counts)
        if images < self._window / 2:
            return math.nan
        least = 0.5 / images
        total = 0.0
        for count, share in zip(counts, self._baseline, strict=True):
            live, expected = max(count / images, least), max(share, least)
            total += (live - expected) * math.log(live / expected)
        return total


class Drift:
    """Labels and confidences of one version."""

    def __init__(self, baseline: Baseline) -> None:
        self.labels = ShareDrift(baseline.label_shares)
        self.confidences = ShareDrift(baseline.confidence_shares)

    def observe(self, indices: Sequence[int], probabilities: Sequence[float]) -> None:
        """The best label of each image, and how probable it was."""
        self.labels.observe(indices)
        bins = self.confidences.bins
        self.confidences.observe([min(int(probability * bins), bins - 1) for probability in probabilities])
