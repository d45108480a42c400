"""The answers for many images column by column: messages of recognition.v1 in, sequences of numbers out.

For thousands of small images a second, objects for each label of each cost more than the answers themselves.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Self, TypeAlias

from recognition.v1 import recognition_pb2 as pb

from recognition_client.batches import Batch, Outcome
from recognition_client.errors import BatchTooLarge, ImageRejected, RecognitionError
from recognition_client.results import (
    Classification,
    ImageError,
    ServedModel,
    image_error,
    invalid_response,
    outcomes,
    served_model,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The answers for many images. The rows are those of the images without an error, in their order.

    `numpy.reshape(columns.indices, (-1, columns.labels_per_image))` has a row for each of them.
    """

    images: int
    """That were given."""
    labels_per_image: int
    indices: Sequence[int]
    """Positions in the model's labels: image by image, best first."""
    probabilities: Sequence[float]
    unknown: Sequence[bool]
    """Of each row, whether the image probably shows none of the labels."""
    errors: Mapping[int, ImageError]
    """What is wrong with the other images, by their place."""
    models: tuple[ServedModel, ...]
    """The versions that answered: more than one where the server took up another in the middle."""

    @property
    def places(self) -> list[int]:
        """Of each row, which of the images it belongs to."""
        return [place for place in range(self.images) if place not in self.errors]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Of images that were asked about one after the other. Raises ResponseInvalid where they differ in width."""
        if len(parts) == 1:
            return parts[0]
        widths = sorted({part.labels_per_image for part in parts if part.unknown})
        if len(widths) > 1:
            raise invalid_response(
                f"The model changed between two requests: images have {widths[0]} labels in one answer and "
                f"{widths[-1]} in another; ask again"
            )
        starts = accumulate((part.images for part in parts), initial=0)
        errors = {
            start + place: error
            for part, start in zip(parts, starts, strict=False)
            for place, error in part.errors.items()
        }
        return cls(
            images=sum(part.images for part in parts),
            labels_per_image=widths[0] if widths else max((part.labels_per_image for part in parts), default=0),
            indices=[index for part in parts for index in part.indices],
            probabilities=[probability for part in parts for probability in part.probabilities],
            unknown=[unknown for part in parts for unknown in part.unknown],
            errors=errors,
            models=tuple(dict.fromkeys(model for part in parts for model in part.models)),
        )


NOTHING = Columns(images=0, labels_per_image=0, indices=(), probabilities=(), unknown=(), errors={}, models=())

Ask: TypeAlias = Callable[[list[bytes]], Columns]
AsyncAsk: TypeAlias = Callable[[list[bytes]], Awaitable[Columns]]


def columns_or_halved(batch: Batch, ask: Ask) -> Columns:
    """As `whole_or_halved` does with lists."""
    if not batch.images:
        return _spread(NOTHING, batch)
    try:
        return _spread(ask(batch.images), batch)
    except (BatchTooLarge, ImageRejected) as error:
        if len(batch.images) == 1:
            return _spread(_refused(error), batch)
        return Columns.joined([columns_or_halved(half, ask) for half in batch.halves()])


async def columns_or_halved_async(batch: Batch, ask: AsyncAsk) -> Columns:
    """The same for asyncio."""
    if not batch.images:
        return _spread(NOTHING, batch)
    try:
        return _spread(await ask(batch.images), batch)
    except (BatchTooLarge, ImageRejected) as error:
        if len(batch.images) == 1:
            return _spread(_refused(error), batch)
        return Columns.joined([await columns_or_halved_async(half, ask) for half in batch.halves()])


def columns_of(response: pb.BatchClassifyResponse, *, expected: int) -> Columns:
    """Of one request; a server that knows no columns answers results."""
    if not response.HasField("columns"):
        return _of_outcomes(outcomes(response, expected=expected))
    columns = response.columns
    rows = expected - len(columns.errors)
    numbers = (len(columns.unknown), len(columns.indices), len(columns.probabilities))
    if numbers != (rows, rows * columns.labels_per_image, rows * columns.labels_per_image) or not all(
        0 <= place < expected for place in columns.errors
    ):
        raise invalid_response(f"The server answered columns of another length than {expected} images need")
    return Columns(
        images=expected,
        labels_per_image=columns.labels_per_image,
        indices=list(columns.indices),
        probabilities=list(columns.probabilities),
        unknown=list(columns.unknown),
        errors={place: image_error(columns.errors[place]) for place in sorted(columns.errors)},
        models=(served_model(response.model),),
    )


def _of_outcomes(outcomes: Sequence[Outcome]) -> Columns:
    answers = [outcome for outcome in outcomes if isinstance(outcome, Classification)]
    return Columns(
        images=len(outcomes),
        labels_per_image=len(answers[0].predictions) if answers else 0,
        indices=[prediction.index for answer in answers for prediction in answer.predictions],
        probabilities=[prediction.probability for answer in answers for prediction in answer.predictions],
        unknown=[answer.unknown for answer in answers],
        errors={place: outcome for place, outcome in enumerate(outcomes) if isinstance(outcome, ImageError)},
        models=tuple(dict.fromkeys(answer.model for answer in answers)),
    )


def _refused(error: RecognitionError) -> Columns:
    return replace(NOTHING, images=1, errors={0: ImageError.from_details(error.details)})


def _spread(columns: Columns, batch: Batch) -> Columns:
    """Over all entries of the batch: those that could not be read have their own errors."""
    if columns.images == len(batch.entries):
        return columns
    errors, sent = dict[int, ImageError](), 0
    for place, entry in enumerate(batch.entries):
        if isinstance(entry, ImageError):
            errors[place] = entry
        else:
            if sent in columns.errors:
                errors[place] = columns.errors[sent]
            sent += 1
    return replace(columns, images=len(batch.entries), errors=errors)
