"""Batchers at work on a fake session, and the images that are submitted to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np

from service.engine.batcher import Batcher, BatchPolicy, BatchReport, Piece, Row, Tensor
from service.engine.session import Outputs
from service.errors import ServiceError
from tests.service.engine.fake_session import FakeSession, image

NO_WAIT = BatchPolicy()
Run = Callable[[Tensor], Awaitable[Outputs]]


def value_of(row: Row) -> int:
    """The colour of the image that a row answers."""
    assert row.embedding is not None
    assert row.logits.tolist() == [row.embedding[0], -row.embedding[0]]
    return int(row.embedding[0])


def images(values: range) -> Tensor:
    """Of these colours."""
    return np.stack([image(value) for value in values]) if values else np.zeros((0, *image(0).shape), dtype=np.uint8)


def one_by_one(pieces: Sequence[Piece]) -> list[Row | ServiceError]:
    """The row of each image, or why there is none."""
    return [
        row
        for piece in pieces
        for row in ([piece.outcome] * piece.images if isinstance(piece.outcome, ServiceError) else piece.rows())
    ]


@asynccontextmanager
async def started(
    run: Run, policy: BatchPolicy = NO_WAIT, *, observe: Callable[[BatchReport], None] = lambda _: None
) -> AsyncIterator[Batcher]:
    """A batcher at work; at the end it must be able to drain."""
    batcher = Batcher(run, policy, observe=observe)
    await batcher.start()
    async with asyncio.timeout(60):
        yield batcher
        await batcher.drain()


@asynccontextmanager
async def busy(
    session: FakeSession, policy: BatchPolicy = NO_WAIT, *, observe: Callable[[BatchReport], None] = lambda _: None
) -> AsyncIterator[tuple[Batcher, asyncio.Task[Row]]]:
    """A batcher whose session computes image 0 and does not get done before the gate is opened."""
    session.gate.clear()
    async with started(session.run, policy, observe=observe) as batcher:
        first = asyncio.create_task(batcher.submit(image(0)))
        await session.wait_until_busy()
        yield batcher, first
        session.gate.set()


def submit_all(batcher: Batcher, values: range) -> list[asyncio.Task[Row]]:
    return [asyncio.create_task(batcher.submit(image(value))) for value in values]
