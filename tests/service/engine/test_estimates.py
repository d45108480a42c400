"""In how long images are answered that join a queue."""

import pytest

from service.engine.batch_costs import BatchCosts
from service.engine.batch_policy import BatchPolicy
from service.engine.batch_sizes import BatchSizes
from service.engine.estimates import Estimates
from service.engine.priority import Priority


def estimates(costs: BatchCosts) -> Estimates:
    return Estimates(costs, BatchSizes(BatchPolicy(max_batch_size=4), costs))


def test_they_follow_the_load() -> None:
    """Though what is measured without any is worked out once."""
    costs = BatchCosts({1: 0.010, 4: 0.040})
    subject = estimates(costs)
    assert subject.seconds(3, Priority.NORMAL) == pytest.approx(0.030)
    for _ in range(50):
        costs.observe(1, 0.020)
    assert subject.seconds(3, Priority.NORMAL) == pytest.approx(0.060, rel=0.01)


def test_the_first_batches_teach() -> None:
    """Where nothing was measured beforehand, nothing is expected until then."""
    costs = BatchCosts()
    subject = estimates(costs)
    assert subject.seconds(1, Priority.LOW) == 0.0
    costs.observe(1, 0.5)
    subject.learn()
    assert subject.seconds(1, Priority.LOW) == pytest.approx(0.5)
