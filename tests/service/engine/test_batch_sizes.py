"""How many images go together, by costs and settings; and what that means for those who wait, by simulation."""

import pytest

from service.engine.batch_costs import NEARLY_ON_GPU, BatchCosts
from service.engine.batch_policy import BatchPolicy
from service.engine.batch_sizes import BatchSizes
from service.engine.priority import Priority
from service.engine.scheduler import Scheduler
from tests.service.engine.afternoon import Afternoon, p99, poisson
from tests.service.engine.schedulers import NEARLY_FLAT, STEEP, Image


def sizes(costs: dict[int, float] | None, **policy: float) -> BatchSizes:
    return BatchSizes(BatchPolicy(**policy), BatchCosts(costs))  # type: ignore[arg-type] # ints among floats


@pytest.mark.parametrize(
    ("waiting", "free", "size"), [(1, 2, 1), (4, 1, 1), (5, 1, 2), (6, 2, 2), (23, 1, 6), (32, 1, 8), (100, 1, 8)]
)
def test_where_company_saves_little_few_go_side_by_side_and_many_together(waiting: int, free: int, size: int) -> None:
    """As others will be free as soon; full batches are for a long queue."""
    assert sizes(NEARLY_FLAT, lanes=2).next(waiting, crowd=waiting, free=free) == size
    assert sizes(NEARLY_FLAT, lanes=2).next(waiting, crowd=1, free=free) == 1


@pytest.mark.parametrize(("waiting", "free", "size"), [(1, 2, 1), (6, 2, 3), (6, 1, 6), (100, 1, 16)])
def test_where_company_saves_much_a_lane_takes_all_that_waits(waiting: int, free: int, size: int) -> None:
    """Or leaves the free ones their share."""
    for crowd in (0, waiting):
        assert sizes(STEEP, lanes=2).next(waiting, crowd=crowd, free=free) == size


def test_one_lane_takes_what_pays() -> None:
    """Nobody computes beside it."""
    assert sizes(NEARLY_FLAT).next(100, crowd=100, free=1) == 1
    assert sizes(STEEP).next(7, crowd=0, free=1) == 7


def test_a_gpu_computes_what_pays_there_on_several_lanes_too() -> None:
    """In sizes that were measured: no larger ones where many wait, and no smaller ones that nearly pay."""
    costs = {1: 0.0030, 2: 0.0031, 4: 0.0032, 8: 0.0034, 16: 0.0040, 32: 0.0076}
    subject = sizes(costs, lanes=2, ahead=1, nearly=NEARLY_ON_GPU)
    assert (subject.lanes, subject.largest, subject.next(100, crowd=100, free=1)) == (2, 32, 32)
    assert sizes(costs, lanes=2).largest == 32
    assert sizes(costs, lanes=2).next(40, crowd=40, free=1) == 16


def test_who_sets_a_delay_wants_company() -> None:
    """Whether it pays or not."""
    assert sizes(NEARLY_FLAT, lanes=2, max_batch_size=32, max_delay_seconds=1.0).largest == 32


def test_lanes_share_the_cores_when_the_objective_is_reckoned() -> None:
    """The batch before and one's own must fit into it, and take twice as long on two lanes as one does alone."""
    assert sizes(NEARLY_FLAT, lanes=2, slo_seconds=0.250).largest == 4
    assert sizes(NEARLY_FLAT, lanes=2, slo_seconds=0.060).largest == 1
    assert sizes(STEEP, lanes=1, slo_seconds=0.028).largest == 8


@pytest.mark.parametrize(
    ("costs", "policy", "quick"),
    [
        ({1: 0.001, 4: 0.0039}, {}, True),
        ({1: 0.001, 4: 0.0039}, {"slo_seconds": 0.001}, False),
        ({1: 0.002, 4: 0.0051}, {}, False),
        (NEARLY_FLAT, {}, False),
        (None, {}, False),
    ],
)
def test_a_full_batch_is_quick_where_others_may_wait_for_it(
    costs: dict[int, float] | None, policy: dict[str, float], quick: bool
) -> None:
    """For five milliseconds, or half of the objective."""
    assert sizes(costs, max_batch_size=4, **policy).quick is quick


def test_nobody_waits_for_company_that_saves_little() -> None:
    """Though batches are larger while many wait."""
    assert sizes(NEARLY_FLAT, lanes=2, slo_seconds=1.0).largest == 8
    assert sizes(NEARLY_FLAT, lanes=2, slo_seconds=1.0).window_seconds == 0.0
    assert sizes(STEEP, lanes=2, slo_seconds=1.0).window_seconds == 0.5 - 0.020


def _afternoon(*, batches_of: int, share: float, **policy: float) -> float:
    """p99 in seconds, at that share of what batches of eight would bring."""
    policy = {"lanes": 2, "max_batch_size": batches_of, **policy}
    subject = Scheduler[Image](BatchPolicy(**policy), BatchCosts(NEARLY_FLAT))  # type: ignore[arg-type]
    afternoon = Afternoon(subject=subject, costs=NEARLY_FLAT, lanes=2)
    arrivals = poisson(8000, share * 8 / NEARLY_FLAT[8])
    afternoon.run(arrivals)
    assert afternoon.refused == []
    return p99(afternoon, arrivals)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_below_capacity_large_batches_make_nobody_wait_longer(share: float) -> None:
    """Than if every image went by itself: company is only taken where the queue is long."""
    assert _afternoon(batches_of=8, share=share) <= 1.1 * _afternoon(batches_of=1, share=share)


def test_near_capacity_large_batches_pay() -> None:
    """Where single images cannot keep up, they do."""
    assert _afternoon(batches_of=8, share=0.98) < 0.5 * _afternoon(batches_of=1, share=0.98)


def _p99_of_the_urgent(*, low: int, batches_of: int) -> float:
    """Of a few at the highest priority, beside so many that always wait at the lowest."""
    subject = Scheduler[Image](BatchPolicy(lanes=2, max_batch_size=batches_of), BatchCosts(NEARLY_FLAT))
    urgent = poisson(400, 4.0)
    for image in urgent:
        image.priority = Priority.HIGH
    afternoon = Afternoon(subject=subject, costs=NEARLY_FLAT, lanes=2, always_waiting=low)
    afternoon.run(urgent)
    return p99(afternoon, urgent)


def test_large_batches_make_the_urgent_wait_no_longer() -> None:
    """Neither are they filled up with those who are in no hurry, nor are those computed in large ones meanwhile."""
    assert _p99_of_the_urgent(low=256, batches_of=8) <= 1.1 * _p99_of_the_urgent(low=256, batches_of=1)
    assert _p99_of_the_urgent(low=256, batches_of=8) <= 4 * NEARLY_FLAT[1]
