"""The bucket: how many at once, how many over time, and how long to wait."""

import pytest

from service.api.auth.rate import Bucket


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("rate", "at_once"), [(0.5, 1), (1.0, 1), (2.5, 2), (50.0, 50)])
def test_a_second_s_worth_at_once(rate: float, at_once: int) -> None:
    """And at least one; then the wait is until the next."""
    bucket = Bucket(rate, clock=Clock())
    assert [bucket.take() for _ in range(at_once)] == [0.0] * at_once
    assert bucket.take() == pytest.approx(1 / rate)


def test_over_time_it_is_the_rate() -> None:
    """Asking every millisecond for a minute lets through the rate and what was there at first."""
    clock = Clock()
    bucket = Bucket(5.0, clock=clock)
    taken = 0
    for _ in range(60_000):
        clock.now += 0.001
        taken += bucket.take() == 0.0
    assert 300 <= taken <= 306


def test_waiting_as_told_is_enough() -> None:
    """Not a moment more."""
    clock = Clock()
    bucket = Bucket(3.0, clock=clock)
    while (seconds := bucket.take()) == 0.0:
        pass
    clock.now += seconds + 1e-9
    assert bucket.take() == 0.0
