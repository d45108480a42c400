"""What is told of a batch when it is done: to those who wait for its parts, and to who watches."""

import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.engine.batch_item import Batch, Computed, Item, Payload, Result, Timed
from service.engine.batch_policy import Closed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What is known of a batch when it is done, for the metrics."""

    size: int
    closed: Closed
    queue_seconds: tuple[float, ...]
    inference_seconds: float
    padding: int = 0
    computed_at: float = 0.0
    """When it began, on the clock of `time.monotonic`."""
    callers: tuple[contextvars.Context, ...] = ()
    """In which each of the items was submitted, so that whoever watches can say for whom the batch ran."""


Observe = Callable[[BatchReport], None]


def answer(
    items: Sequence[Item[Payload, Result]], results: Sequence[Result], batch: Batch, closed: Closed
) -> BatchReport:
    """Hands each item its result."""
    size = sum(item.rows for item in items)
    waits = tuple(batch.began_at - batch.prepared_seconds - item.arrival for item in items)
    for item, wait, value in zip(items, waits, results, strict=True):
        if not item.future.done():  # the caller may have gone away while the batch was running
            item.future.set_result(
                Timed(
                    value=value,
                    queue_seconds=wait,
                    inference_seconds=batch.seconds,
                    batch_size=size,
                    padding=batch.padding,
                    computed_at=batch.began_at,
                )
            )
    return BatchReport(
        size=size,
        closed=closed,
        queue_seconds=waits,
        inference_seconds=batch.seconds,
        padding=batch.padding,
        computed_at=batch.began_at,
        callers=tuple(item.caller for item in items),
    )


def whole(items: Sequence[Item[Payload, Result]], computed: Computed[Result], began_at: float, seconds: float) -> Batch:
    """All that was given out, as one batch."""
    return Batch(
        parts=len(items),
        began_at=began_at,
        seconds=seconds,
        padding=computed.padding,
        prepared_seconds=computed.prepared_seconds,
    )
