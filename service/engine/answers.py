"""What became of images: ranked labels and times, of one image, or of several column by column."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.engine.computed_images import ComputedImages
from service.engine.postprocess import Classification, Ranked
from service.engine.times import Times, each_of
from service.errors import ServiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one image."""

    classification: Classification
    times: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What became of several images; the rows are those of the images that have an answer."""

    computed: ComputedImages
    ranked: Ranked
    labels: Sequence[str]

    def each(self) -> list[Answer | ServiceError]:
        """One for each image, in the order of the request."""
        classifications = self.ranked.classifications(self.labels)
        answers = map(_answer, classifications, each_of(self.computed.times))
        return self.computed.in_order(list(answers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """One image as a vector."""

    vector: npt.NDArray[np.float32]  # (embedding_size,)
    times: Times


def _answer(classification: Classification, times: Times) -> Answer:
    return Answer(classification=classification, times=times)
