"""The queue that no service can beat."""

import pytest

from benchmarks.ideal_queue import ideal_percentile


def test_without_load_an_image_takes_its_own_time() -> None:
    """And no more."""
    assert ideal_percentile(0.01, 50.0, 99, images=1000) == pytest.approx(0.02)


def test_the_tail_is_that_of_the_books() -> None:
    """M/D/1 at half its capacity: 4.3 times an image's time at the 99th percentile; at four fifths eleven times."""
    assert ideal_percentile(50.0, 100.0, 99) == pytest.approx(0.043, rel=0.1)
    assert ideal_percentile(80.0, 100.0, 99) == pytest.approx(0.110, rel=0.15)
