"""Images as the model takes them: one, or several column by column."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from service.engine.batcher import Row, Tensor
from service.engine.preprocess import mend_polarity
from service.engine.time_columns import Column, TimeColumns, no_times
from service.errors import ServiceError
from service.models.manifest import InputSpec

COLLECTED = [Column.DECODE, Column.PREPROCESS, Column.BEGAN_AT, Column.LOOKUP]
"""What is told of an image when it is collected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """An image as the model takes it, and what it cost to bring it there."""

    tensor: Tensor  # (H, W, C), or nothing where the outputs are known
    decode_seconds: float
    preprocess_seconds: float
    began_at: float = 0.0
    """When decoding began, on the clock of `time.monotonic`."""
    file: bytes = b""
    """SHA-256 of the encoded image, where outputs are kept."""
    known: Row | None = None
    """The outputs, where they were kept."""
    lookup_seconds: float | None = None
    """What it took to look for them, where outputs are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedImages:
    """Several of them, column by column: those that must be computed, those that are known, and those that are bad."""

    count: int
    """Images that were given."""
    places: npt.NDArray[np.intp]  # (n,): where those stood that must be computed
    tensors: Tensor  # (n, H, W, C)
    times: TimeColumns  # (columns, n)
    files: Sequence[bytes]
    known: Mapping[int, Prepared]
    errors: Mapping[int, ServiceError]


@dataclass(slots=True)
class Collecting:
    """Several images while they are prepared, one after the other; `known` and `errors` are entered as they are."""

    spec: InputSpec
    count: int
    tensors: Tensor = field(init=False)
    places: list[int] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    rows: list[tuple[float, ...]] = field(default_factory=list)
    known: dict[int, Prepared] = field(default_factory=dict)
    errors: dict[int, ServiceError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tensors = np.empty((self.count, self.spec.height, self.spec.width, self.spec.channels), dtype=np.uint8)

    def add(
        self, place: int, file: bytes, decode_seconds: float, resize_seconds: float, began: float, lookup: float
    ) -> None:
        self.places.append(place)
        self.files.append(file)
        self.rows.append((decode_seconds, resize_seconds, began, lookup))

    def finished(self) -> PreparedImages:
        tensors = self.tensors[: len(self.places)]
        times = no_times(len(tensors))
        if self.rows:
            began = time.monotonic()
            mend_polarity(tensors, self.spec)
            each = (time.monotonic() - began) / len(tensors)
            times[COLLECTED] = np.transpose(self.rows)
            times[Column.PREPROCESS] += each
        return PreparedImages(
            count=self.count,
            places=np.array(self.places, dtype=np.intp),
            tensors=tensors,
            times=times,
            files=self.files,
            known=self.known,
            errors=self.errors,
        )
