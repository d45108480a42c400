"""Where the time of an image goes: the stages of its way, and the seconds that it spent in each."""

from dataclasses import dataclass
from enum import StrEnum

from service.engine.batcher import Row
from service.engine.preparation import Prepared


class Stage(StrEnum):
    """Where the time of a request goes."""

    DECODE = "decode"
    PREPROCESS = "preprocess"
    QUEUE = "queue"
    INFERENCE = "inference"
    POSTPROCESS = "postprocess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds spent in each stage."""

    decode: float = 0.0
    preprocess: float = 0.0
    queue: float = 0.0
    inference: float = 0.0
    postprocess: float = 0.0
    batch_size: int = 0
    began_at: float = 0.0
    """When decoding began, on the clock of `time.monotonic`."""
    computed_at: float = 0.0
    """When the batch began, on the same clock."""


def times_of(prepared: Prepared, row: Row, *, postprocess_seconds: float = 0.0) -> Times:
    """Where the time of one image went."""
    return Times(
        decode=prepared.decode_seconds,
        preprocess=prepared.preprocess_seconds,
        queue=row.queue_seconds,
        inference=row.inference_seconds,
        postprocess=postprocess_seconds,
        batch_size=row.batch_size,
        began_at=prepared.began_at,
        computed_at=row.computed_at,
    )
