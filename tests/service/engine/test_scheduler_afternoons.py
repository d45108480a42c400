"""The scheduler over whole afternoons, simulated: objectives, deadlines, overload."""

import pytest

from service.engine.priority import Priority
from tests.service.engine.afternoon import Afternoon, cost_of, p99, poisson
from tests.service.engine.schedulers import NEARLY_FLAT, SLOW, STEEP, Image, scheduler


@pytest.mark.parametrize("costs", [SLOW, STEEP])
@pytest.mark.parametrize("lanes", [1, 2])
def test_the_objective_is_kept_at_four_fifths_of_capacity(costs: dict[int, float], lanes: int) -> None:
    """p99 within the objective, none refused; queues grow longer where company is dear."""
    slo = (4 if costs is STEEP else 12) * costs[1] * lanes
    subject = scheduler(costs=costs, max_batch_size=16, lanes=lanes, slo_seconds=slo)
    capacity = subject.sizes.largest / cost_of(subject.sizes.largest, costs)
    arrivals = poisson(4000, 0.8 * capacity)
    afternoon = Afternoon(subject=subject, costs=costs, lanes=lanes)
    afternoon.run(arrivals)
    assert afternoon.refused == []
    assert p99(afternoon, arrivals) <= slo


def test_at_low_load_an_image_takes_no_longer_than_alone() -> None:
    """No artificial waiting, whatever the objective."""
    subject = scheduler(costs=STEEP, max_batch_size=16, slo_seconds=1.0)
    arrivals = [Image(name=name, arrival=float(name)) for name in range(100)]
    afternoon = Afternoon(subject=subject, costs=STEEP)
    afternoon.run(arrivals)
    assert p99(afternoon, arrivals) == pytest.approx(STEEP[1])


@pytest.mark.parametrize("load", [0.5, 1.5, 3.0])
def test_nothing_is_lost_and_nothing_is_late(load: float) -> None:
    """Every image is answered by its deadline or refused; under overload the batches stay full."""
    subject = scheduler(costs=STEEP, max_batch_size=16)
    arrivals = poisson(3000, load * 16 / STEEP[16], allowed=0.1)
    afternoon = Afternoon(subject=subject, costs=STEEP)
    afternoon.run(arrivals)
    assert sorted([*afternoon.answered, *afternoon.refused]) == list(range(3000))
    deadlines = {image.name: image.deadline or 0.0 for image in arrivals}
    assert all(end <= deadlines[name] + 1e-9 for name, end in afternoon.answered.items())
    if load == 0.5:
        assert afternoon.refused == []
    else:
        assert len(afternoon.answered) > 0.9 * 3000 / load


def test_under_overload_the_urgent_are_still_answered() -> None:
    """A tenth of the images is urgent, and twice as many come as can be computed."""
    subject = scheduler(costs=SLOW, max_batch_size=8)
    arrivals = poisson(2000, 200.0, allowed=0.2)
    for image in arrivals:
        image.priority = Priority.HIGH if image.name % 10 == 0 else Priority.LOW
    afternoon = Afternoon(subject=subject, costs=SLOW)
    afternoon.run(arrivals)
    assert [name for name in afternoon.refused if name % 10 == 0] == []
    assert len(afternoon.refused) > 500


@pytest.mark.parametrize(("costs", "share"), [(NEARLY_FLAT, 1.5), (SLOW, 1.5), (STEEP, 1.7)])
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
def test_what_is_expected_is_about_what_it_takes(costs: dict[int, float], share: float, lanes: int) -> None:
    """While nearly as many come as can be computed. The batches that run already are not counted, least of all where
    they are large and cheap; but hardly anybody is refused for want of time that there is.
    """
    subject = scheduler(costs=costs, max_batch_size=16, lanes=lanes)
    most = subject.sizes.largest
    afternoon = Afternoon(subject=subject, costs=costs, lanes=lanes)
    arrivals = poisson(3000, 0.95 * most / cost_of(most, costs))
    afternoon.run(arrivals)
    took = [afternoon.answered[image.name] - image.arrival for image in arrivals]
    expected = [afternoon.expected[image.name] - image.arrival for image in arrivals]
    assert sum(expected) <= sum(took) <= share * sum(expected)
    ratios = sorted(before / after for before, after in zip(expected, took, strict=True))
    assert ratios[int(0.95 * len(ratios))] <= 1.25
