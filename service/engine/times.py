"""Where the time of images goes: of one, stage by stage, and of all the images of one request."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from service.engine.batcher import Row
from service.engine.prepared import Prepared
from service.engine.time_columns import Column, TimeColumns

NAMES = tuple(column.name.lower() for column in Column)
"""Of the fields of Times, as the columns stand."""
Seconds: TypeAlias = Sequence[float] | npt.NDArray[np.float64]
"""Of several images."""


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
    """0 where the outputs were known already."""
    padding: int = 0
    """Images that were computed besides, to fill the batch up to its bucket."""
    began_at: float = 0.0
    """When decoding began, on the clock of `time.monotonic`."""
    computed_at: float = 0.0
    """When the batch began, on the same clock."""
    lookup: float | None = None
    """In the response cache, where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one request took of a model: the seconds of its slowest image, or of all of them where they go in a row."""

    items: int
    """Images or rows that were computed; those whose outputs were known already do not count."""
    input_seconds: float = 0.0
    queue_seconds: float = 0.0
    inference_seconds: float = 0.0
    output_seconds: float = 0.0
    hits: int = 0
    hit_seconds: float = 0.0
    misses: int = 0
    miss_seconds: float = 0.0


def times_of(prepared: Prepared, row: Row, *, postprocess_seconds: float = 0.0) -> Times:
    """Where the time of one image went."""
    return Times(
        decode=prepared.decode_seconds,
        preprocess=prepared.preprocess_seconds,
        queue=row.queue_seconds,
        inference=row.inference_seconds,
        postprocess=postprocess_seconds,
        batch_size=row.batch_size,
        padding=row.padding,
        began_at=prepared.began_at,
        computed_at=row.computed_at,
        lookup=prepared.lookup_seconds,
    )


def each_of(columns: TimeColumns) -> Iterator[Times]:
    """The times of several images one by one."""
    for row in columns.T.tolist():
        fields = dict(zip(NAMES, row, strict=True))
        lookup = None if math.isnan(fields["lookup"]) else fields["lookup"]
        counts = {name: int(fields[name]) for name in ("batch_size", "padding")}
        yield Times(**fields | counts | {"lookup": lookup})


def work_of(images: Sequence[Times], *, output_seconds: float = 0.0) -> Work:
    """Of the images of one request that have an answer."""
    computed = [times for times in images if times.batch_size]
    hits = [times.lookup or 0.0 for times in images if not times.batch_size]
    misses = [times.lookup for times in computed if times.lookup is not None]
    return Work(
        items=len(computed),
        input_seconds=sum(times.decode + times.preprocess for times in computed),
        queue_seconds=max((times.queue for times in images), default=0.0),
        inference_seconds=max((times.inference for times in images), default=0.0),
        output_seconds=output_seconds + sum(times.postprocess for times in computed),
        hits=len(hits),
        hit_seconds=sum(hits),
        misses=len(misses),
        miss_seconds=sum(misses),
    )


def work_of_columns(images: TimeColumns) -> Work:
    """The same of images that went together."""
    sizes, lookups = images[Column.BATCH_SIZE], images[Column.LOOKUP]
    computed, known = images[:, sizes > 0], lookups[sizes == 0]
    missed = computed[Column.LOOKUP][~np.isnan(computed[Column.LOOKUP])]
    return Work(
        items=computed.shape[1],
        input_seconds=float(computed[[Column.DECODE, Column.PREPROCESS]].sum()),
        queue_seconds=float(images[Column.QUEUE].max(initial=0.0)),
        inference_seconds=float(images[Column.INFERENCE].max(initial=0.0)),
        output_seconds=float(computed[Column.POSTPROCESS].sum()),
        hits=len(known),
        hit_seconds=float(known.sum()),
        misses=len(missed),
        miss_seconds=float(missed.sum()),
    )
