"""What a batch of each size takes."""

import pytest

from service.engine.batch_costs import BatchCosts

FLAT = {1: 0.010, 2: 0.020, 4: 0.040, 8: 0.080}
"""A large network on a CPU: company makes nothing cheaper."""
STEEP = {1: 0.0010, 2: 0.0011, 4: 0.0012, 8: 0.0014, 16: 0.0020}
"""A GPU: the first image costs nearly as much as eight."""


def test_between_two_sizes_lies_a_line() -> None:
    """And beyond the largest one it goes on in proportion."""
    costs = BatchCosts({1: 1.0, 3: 2.0})
    assert [costs.expected(size) for size in (1, 2, 3, 6)] == [1.0, 1.5, 2.0, 4.0]


def test_nothing_is_expected_of_what_was_never_run() -> None:
    """The first batches teach; a larger one than all before may cost as little as the largest of them."""
    costs = BatchCosts()
    assert (costs.known, costs.expected(8), costs.best_size(64)) == (False, 0.0, 64)
    costs.observe(2, 0.5)
    assert costs.known
    assert [costs.expected(size) for size in (1, 2, 8, 64)] == [0.5, 0.5, 0.5, 0.5]


def test_a_busy_machine_makes_all_sizes_dearer() -> None:
    """Bit by bit, and it is forgotten again in the same way."""
    costs = BatchCosts(FLAT)
    for _ in range(50):
        costs.observe(1, 0.030)
    assert costs.expected(8) == pytest.approx(0.240, rel=0.01)
    assert costs.least(8) == pytest.approx(0.080)
    for _ in range(50):
        costs.observe(8, 0.040)
    assert costs.expected(1) == costs.least(1) == pytest.approx(0.005, rel=0.01)


def test_company_is_sought_only_where_it_pays() -> None:
    """The smallest size at which an image costs nearly as little as it can."""
    assert BatchCosts(FLAT).best_size(64) == 1
    assert BatchCosts(STEEP).best_size(64) == 16
    assert BatchCosts(STEEP).best_size(4) == 4
    assert BatchCosts({1: 1.0, 2: 1.9}).best_size(4) == 1
    assert BatchCosts({1: 1.0, 2: 1.9}).best_size(4, nearly=1.01) == 2


def test_the_largest_size_within_a_time() -> None:
    """None where not even one image is done by then."""
    costs = BatchCosts(FLAT)
    assert costs.largest_within(0.050, range(1, 9)) == 5
    assert costs.largest_within(0.001, range(1, 9)) is None
