"""Sessions on the CPU take the memory for their largest batch once, not each."""

import numpy as np
import psutil

from tests.service.engine.test_session import load
from tests.service.packages import HEIGHT, WIDTH

IMAGES = 100_000
BATCH_BYTES = IMAGES * HEIGHT * WIDTH * 4
"""Of one float32 tensor between two nodes of the graph; a run needs at least that."""


def test_sessions_share_their_working_memory() -> None:
    """Three more sessions with the same large batch take less than one such tensor."""
    images = np.zeros((IMAGES, HEIGHT, WIDTH, 1), dtype=np.uint8)
    sessions = [load()]
    sessions[0].run(images)
    before = psutil.Process().memory_full_info().uss
    for _ in range(3):
        sessions.append(load())
        sessions[-1].run(images)
    assert psutil.Process().memory_full_info().uss - before < BATCH_BYTES


def test_a_session_outlives_its_neighbours() -> None:
    """What they shared is still there."""
    images = np.full((3, HEIGHT, WIDTH, 1), 100, dtype=np.uint8)
    kept, other = load(), load()
    expected = other.run(images).logits
    del other
    assert np.array_equal(kept.run(images).logits, expected)
