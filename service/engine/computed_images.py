"""What a model says of several images: their outputs and times column by column, and what is wrong with the others."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from service.engine.batch_item import Timed
from service.engine.batcher import Piece, Row
from service.engine.prepared import Prepared, PreparedImages
from service.engine.session import Outputs
from service.engine.time_columns import Column, TimeColumns, no_times
from service.errors import ServiceError

Floats = npt.NDArray[np.float32]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedImages:
    """The rows of the images that have an answer, in the order of the request."""

    count: int
    """Images of the request."""
    places: npt.NDArray[np.intp]  # (n,): where those stood that have an answer
    logits: Floats  # (n, labels)
    vectors: Sequence[Floats]  # (?, embedding_size) each: of the rows as they came
    order: npt.NDArray[np.intp] | slice
    """Brings the rows that came into the order of the request."""
    times: TimeColumns  # (columns, n)
    errors: Mapping[int, ServiceError]

    @property
    def embeddings(self) -> Floats | None:  # (n, embedding_size)
        """Put together when it is asked for, since most requests do not."""
        return np.concatenate(self.vectors)[self.order] if self.vectors else None

    def __len__(self) -> int:
        return len(self.places)

    def in_order(self, results: Sequence[Result]) -> list[Result | ServiceError]:
        """One for each image of the request: of `results`, which belong to the rows, or its error."""
        answers = iter(results)
        return [self.errors[place] if place in self.errors else next(answers) for place in range(self.count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedChunk:
    """Neighbours of a request that were prepared together; `pieces` are those that had to be computed."""

    prepared: PreparedImages
    pieces: Sequence[Piece]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """Those that were computed now, with the number of their tensor."""
        for piece, at in self._placed():
            yield from enumerate(piece.rows(), at)

    def columns(self) -> "Iterator[_Columns]":
        for piece, at in self._placed():
            if not isinstance(piece.outcome, ServiceError):
                rows = slice(at, at + piece.images)
                yield _computed(self.prepared.places[rows], self.prepared.times[:, rows], piece.outcome)
        if self.prepared.known:
            yield _known(self.prepared.known)

    def errors(self) -> Iterator[tuple[int, ServiceError]]:
        yield from self.prepared.errors.items()
        for piece, at in self._placed():
            if isinstance(piece.outcome, ServiceError):
                for place in self.prepared.places[at : at + piece.images].tolist():
                    yield place, piece.outcome

    def _placed(self) -> Iterator[tuple[Piece, int]]:
        return zip(self.pieces, accumulate((piece.images for piece in self.pieces), initial=0), strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The answered ones of a chunk that came by one way."""

    places: npt.NDArray[np.intp]
    logits: Floats
    embeddings: Floats | None
    times: TimeColumns


def computed_images(chunks: Sequence[ComputedChunk]) -> ComputedImages:
    """Of a whole request."""
    starts = list(accumulate((chunk.prepared.count for chunk in chunks), initial=0))
    placed = [(start, columns) for chunk, start in zip(chunks, starts, strict=False) for columns in chunk.columns()]
    errors = {
        start + place: error for chunk, start in zip(chunks, starts, strict=False) for place, error in chunk.errors()
    }
    if not placed:
        nothing = np.zeros((0, 1), dtype=np.float32)
        places, times = np.zeros(0, dtype=np.intp), no_times(0)
        return ComputedImages(
            count=starts[-1], places=places, logits=nothing, vectors=(), order=slice(None), times=times, errors=errors
        )
    places = np.concatenate([columns.places + start for start, columns in placed])
    order = np.argsort(places, kind="stable") if any(chunk.prepared.known for chunk in chunks) else slice(None)
    return ComputedImages(
        count=starts[-1],
        places=places[order],
        logits=np.concatenate([columns.logits for _, columns in placed])[order],
        vectors=[columns.embeddings for _, columns in placed if columns.embeddings is not None],
        order=order,
        times=np.concatenate([columns.times for _, columns in placed], axis=1)[:, order],
        errors=errors,
    )


def _computed(places: npt.NDArray[np.intp], times: TimeColumns, timed: Timed[Outputs]) -> _Columns:
    times[Column.QUEUE], times[Column.INFERENCE] = timed.queue_seconds, timed.inference_seconds
    times[Column.BATCH_SIZE], times[Column.PADDING], times[Column.COMPUTED_AT] = (
        timed.batch_size,
        timed.padding,
        timed.computed_at,
    )
    return _Columns(places=places, logits=timed.value.logits, embeddings=timed.value.embeddings, times=times)


def _known(known: Mapping[int, Prepared]) -> _Columns:
    """Of those that were kept from another request; they took what it takes to look."""
    rows = [prepared.known for prepared in known.values() if prepared.known is not None]
    vectors = [row.embedding for row in rows if row.embedding is not None]
    times = no_times(len(rows))
    times[Column.LOOKUP] = [prepared.lookup_seconds for prepared in known.values()]
    times[Column.BEGAN_AT] = [prepared.began_at for prepared in known.values()]
    times[Column.COMPUTED_AT] = [row.computed_at for row in rows]
    times[Column.PADDING] = [row.padding for row in rows]
    return _Columns(
        places=np.array(list(known), dtype=np.intp),
        logits=np.stack([row.logits for row in rows]),
        embeddings=np.stack(vectors) if vectors else None,
        times=times,
    )
