"""Sample pictures for people who have none at hand: golden samples, of each label the one that the model knows best."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from service.models.golden import GoldenSamples
from service.models.variant import Precision

MOST_SAMPLES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """An encoded image and what it shows."""

    image: bytes
    label: str
    logits: npt.NDArray[np.float32] = field(compare=False)
    """What is expected for it in the precision that answers."""


def choose_samples(
    golden: GoldenSamples, labels: tuple[str, ...], precision: Precision = Precision.FP32
) -> tuple[Sample, ...]:
    """At most 24, spread evenly over the labels, in their order; the same for every precision."""
    expected = golden.expected(precision)
    best: dict[int, int] = {}
    for index in np.argsort(-_margins(golden), kind="stable"):
        best.setdefault(int(golden.labels[index]), int(index))
    known = sorted(best)
    if len(known) > MOST_SAMPLES:
        known = [known[int(place)] for place in np.linspace(0, len(known) - 1, MOST_SAMPLES).round()]
    return tuple(
        Sample(image=golden.images[best[label]], label=labels[label], logits=expected[best[label]]) for label in known
    )


def _margins(golden: GoldenSamples) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Distance of the right label's logit from the best of the others: large where the model is right and sure."""
    rows = np.arange(len(golden.labels))
    right = golden.logits[rows, golden.labels]
    others = golden.logits.copy()
    others[rows, golden.labels] = -np.inf
    margins: np.ndarray[tuple[int], np.dtype[np.float32]] = right - others.max(axis=1)
    return margins
