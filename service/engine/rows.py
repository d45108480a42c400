"""What comes back of the images that were given to a batcher: row by row, or in the pieces in which they went."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.engine.batch_item import Timed
from service.engine.session import Outputs
from service.errors import ServiceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image's share of a batch's outputs."""

    logits: npt.NDArray[np.float32]  # (labels,)
    embedding: npt.NDArray[np.float32] | None  # (embedding_size,)
    queue_seconds: float
    inference_seconds: float
    batch_size: int
    padding: int = 0
    """Images that were computed besides, to fill the batch up to its bucket."""
    computed_at: float = 0.0
    """When the batch began, on the clock of `time.monotonic`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The outputs for several images, in their order; the times are those of the slowest."""

    logits: npt.NDArray[np.float32]  # (N, labels)
    embeddings: npt.NDArray[np.float32] | None  # (N, embedding_size)
    queue_seconds: float
    inference_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Neighbours of one caller's images that were answered together, or refused together."""

    images: int
    outcome: Timed[Outputs] | ServiceError

    def rows(self) -> list[Row]:
        """One by one; none where they were refused."""
        return [] if isinstance(self.outcome, ServiceError) else rows_of(self.outcome)


def piece_of(images: int, outcome: Timed[Outputs] | BaseException) -> Piece:
    """Raises what is not the service's own."""
    if isinstance(outcome, Timed | ServiceError):
        return Piece(images=images, outcome=outcome)
    raise outcome


def rows_of(timed: Timed[Outputs]) -> list[Row]:
    """One by one."""
    outputs = timed.value
    return [
        Row(
            logits=logits,
            embedding=None if outputs.embeddings is None else outputs.embeddings[place],
            queue_seconds=timed.queue_seconds,
            inference_seconds=timed.inference_seconds,
            batch_size=timed.batch_size,
            padding=timed.padding,
            computed_at=timed.computed_at,
        )
        for place, logits in enumerate(outputs.logits)
    ]


def shares_of(outputs: Outputs, parts: Sequence[npt.NDArray[np.uint8]]) -> list[Outputs]:
    """Of each part."""
    shares, at = list[Outputs](), 0
    for part in parts:
        end = at + len(part)
        embeddings = None if outputs.embeddings is None else outputs.embeddings[at:end]
        shares.append(Outputs(logits=outputs.logits[at:end], embeddings=embeddings))
        at = end
    return shares
