"""The queue that no service can beat."""

import pytest

from benchmarks.ideal_queue import fewest_late, ideal_percentile


def test_without_load_an_image_takes_its_own_time() -> None:
    """And no more."""
    assert ideal_percentile(0.01, 50.0, 99, images=1000) == pytest.approx(0.02)


def test_the_tail_is_that_of_the_books() -> None:
    """M/D/1 at half its capacity: 4.3 times an image's time at the 99th percentile; at four fifths eleven times."""
    assert ideal_percentile(50.0, 100.0, 99) == pytest.approx(0.043, rel=0.1)
    assert ideal_percentile(80.0, 100.0, 99) == pytest.approx(0.110, rel=0.15)


def test_where_nearly_all_must_be_in_time_the_load_decides() -> None:
    """Three times an image's time is enough for 99 of 100 at three tenths of the capacity, and not at half of it."""
    assert fewest_late(30.0, 100.0, 0.030) < 0.01
    assert 0.02 < fewest_late(50.0, 100.0, 0.030) < 0.04
    assert 0.09 < fewest_late(80.0, 100.0, 0.030) < 0.12
    assert fewest_late(80.0, 100.0, 0.0299 / 3) == 1.0


def test_who_is_late_in_an_ideal_queue_is_no_fewer_than_must_be() -> None:
    """An objective at its own 99th percentile is met by the hundredth that must be late, and by fewer."""
    assert fewest_late(80.0, 100.0, ideal_percentile(80.0, 100.0, 99)) <= 0.01
