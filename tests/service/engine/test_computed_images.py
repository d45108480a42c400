"""The chunks of a request put together: each row in its place, whichever way it came."""

import math

import numpy as np

from service.engine.batch_item import Timed
from service.engine.batcher import Piece, Row
from service.engine.computed_images import ComputedChunk, computed_images
from service.engine.prepared import Prepared, PreparedImages
from service.engine.session import Outputs
from service.engine.time_columns import Column, no_times
from service.errors import ImageUnreadable, QueueFull, ServiceError

BAD, FULL = ImageUnreadable("bad"), QueueFull("full", retry_seconds=1.0)


def prepared(
    count: int, places: list[int], *, known: dict[int, Prepared] | None = None, bad: tuple[int, ...] = ()
) -> PreparedImages:
    times = no_times(len(places))
    times[Column.DECODE], times[Column.LOOKUP] = 0.5, math.nan
    return PreparedImages(
        count=count,
        places=np.array(places, dtype=np.intp),
        tensors=np.zeros((len(places), 1, 1, 1), dtype=np.uint8),
        times=times,
        files=[b""] * len(places),
        known=known or {},
        errors=dict.fromkeys(bad, BAD),
    )


def computed(*values: int, seconds: float = 1.0) -> Piece:
    logits = np.array([[value, -value] for value in values], dtype=np.float32)
    timed = Timed(
        value=Outputs(logits=logits, embeddings=logits[:, :1]),
        queue_seconds=seconds,
        inference_seconds=seconds,
        batch_size=8,
        padding=1,
        computed_at=5.0,
    )
    return Piece(images=len(values), outcome=timed)


def recalled(value: int) -> Prepared:
    row = Row(
        logits=np.array([value, -value], dtype=np.float32),
        embedding=np.array([value], dtype=np.float32),
        queue_seconds=0.0,
        inference_seconds=0.0,
        batch_size=0,
    )
    return Prepared(
        tensor=np.zeros(0, dtype=np.uint8), decode_seconds=0.0, preprocess_seconds=0.0, known=row, lookup_seconds=0.25
    )


def test_rows_of_many_chunks_and_pieces_are_in_the_order_of_the_request() -> None:
    """Images that are bad, refused or known in between."""
    chunks = [
        ComputedChunk(
            prepared=prepared(5, [0, 2, 4], known={3: recalled(13)}, bad=(1,)),
            pieces=[computed(10, 12), Piece(images=1, outcome=FULL)],
        ),
        ComputedChunk(prepared=prepared(1, [], bad=(0,)), pieces=[]),
        ComputedChunk(prepared=prepared(2, [0, 1]), pieces=[computed(16), computed(17, seconds=2.0)]),
    ]
    images = computed_images(chunks)
    assert (images.count, images.places.tolist()) == (8, [0, 2, 3, 6, 7])
    assert images.logits[:, 0].tolist() == [10, 12, 13, 16, 17]
    assert images.embeddings is not None
    assert images.embeddings[:, 0].tolist() == [10, 12, 13, 16, 17]
    assert images.errors == {1: BAD, 4: FULL, 5: BAD}
    assert images.times[Column.QUEUE].tolist() == [1.0, 1.0, 0.0, 1.0, 2.0]
    assert images.times[Column.BATCH_SIZE].tolist() == [8, 8, 0, 8, 8]
    assert images.times[Column.DECODE].tolist() == [0.5, 0.5, 0.0, 0.5, 0.5]
    assert images.times[Column.LOOKUP].tolist()[2] == 0.25
    in_order: list[str | ServiceError] = images.in_order(["a", "b", "c", "d", "e"])
    assert in_order == ["a", BAD, "b", "c", FULL, BAD, "d", "e"]


def test_without_answers_there_are_only_errors() -> None:
    """And without images not even those."""
    images = computed_images([ComputedChunk(prepared=prepared(1, [], bad=(0,)), pieces=[])])
    assert (len(images), images.in_order([])) == (0, [BAD])
    assert computed_images([]).in_order([]) == []


def test_only_what_was_computed_now_has_rows_to_keep() -> None:
    """By the number of its tensor."""
    chunk = ComputedChunk(
        prepared=prepared(5, [0, 2, 4], known={3: recalled(13)}, bad=(1,)),
        pieces=[computed(10), Piece(images=1, outcome=FULL), computed(14)],
    )
    assert [(number, row.logits[0]) for number, row in chunk.rows()] == [(0, 10), (2, 14)]
