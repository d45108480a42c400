"""Images as the model takes them: one, or several column by column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.engine.batcher import Row, Tensor
from service.engine.time_columns import TimeColumns
from service.errors import ServiceError


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
