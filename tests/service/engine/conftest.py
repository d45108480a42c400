"""Classifiers at work, as the settings make them."""

from collections.abc import AsyncIterator

import pytest

from service.engine.batcher import BatchPolicy
from tests.service.engine.classifiers import Subject, started


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    subject = await started()
    yield subject
    await subject.stop()


@pytest.fixture
async def doubtful() -> AsyncIterator[Subject]:
    """A model that marks answers below 0.8 as unknown."""
    subject = await started(unknown_threshold=0.8)
    yield subject
    await subject.stop()


@pytest.fixture
async def narrow() -> AsyncIterator[Subject]:
    """One image a batch, two in the queue."""
    subject = await started(BatchPolicy(max_batch_size=1, max_queue_images=2))
    yield subject
    await subject.stop()
