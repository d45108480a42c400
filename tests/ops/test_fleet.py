"""The model of a fleet (benchmarks/fleet_model.py), against what queueing theory says and what the client promises."""

import pytest

from benchmarks.fleet_clock import Clock, Cores
from benchmarks.fleet_model import Fleet, closed_loop, open_loop
from benchmarks.fleet_replica import Costs, Replica

LOOP_ONLY = Costs(client=0.0, loop=0.001, decode=0.0, batch={1: 0.0})


def fleet_of(replicas: int, costs: Costs, *, cores: int = 1, many_clients: bool = False) -> Fleet:
    clock = Clock()
    made = [Replica(Cores(clock, cores), costs, max_batch_size=64) for _ in range(replicas)]
    return Fleet(clock, made, costs, many_clients=many_clients)


def test_a_batch_between_two_measured_ones_costs_what_lies_between() -> None:
    """And beyond the largest, in proportion."""
    costs = Costs(client=0.0, loop=0.0, decode=0.0, batch={1: 1.0, 4: 2.5, 8: 4.0})
    assert [costs.of_batch(size) for size in (1, 2, 4, 6, 8, 16)] == [1.0, 1.5, 2.5, 3.25, 4.0, 8.0]


def test_random_arrivals_wait_as_long_as_theory_says() -> None:
    """M/D/1 at half load: the mean wait is half a service time."""
    outcome = open_loop(fleet_of(1, LOOP_ONLY, cores=4), rate=500.0, calls=100_000)
    mean = sum(outcome.seconds) / outcome.calls
    assert mean == pytest.approx(0.001 + 0.0005, rel=0.05)


def test_a_closed_loop_reaches_the_slowest_step() -> None:
    """One event loop of 1 ms; with two replicas on one core still the core."""
    one = closed_loop(LOOP_ONLY, replicas=1, cores=2, callers=8, calls=2000, max_batch_size=64)
    assert one.per_second == pytest.approx(1000, rel=0.01)
    two = closed_loop(LOOP_ONLY, replicas=2, cores=1, callers=8, calls=2000, max_batch_size=64)
    assert two.per_second == pytest.approx(1000, rel=0.01)
    free = closed_loop(LOOP_ONLY, replicas=2, cores=2, callers=8, calls=2000, max_batch_size=64)
    assert free.per_second == pytest.approx(2000, rel=0.01)


def test_images_gather_while_a_batch_runs() -> None:
    """Batches cost the same whatever is in them: while one half of the callers is computed, the other half gathers."""
    costs = Costs(client=0.0, loop=0.0, decode=0.0, batch={1: 0.01, 64: 0.01})
    outcome = closed_loop(costs, replicas=1, cores=2, callers=32, calls=3200, max_batch_size=64)
    assert outcome.per_second == pytest.approx(1600, rel=0.01)


def test_a_killed_replica_s_calls_are_answered_by_others() -> None:
    """At the price of a retry; none fails."""
    fleet = fleet_of(10, LOOP_ONLY, many_clients=True)
    for replica in fleet.replicas[:2]:
        fleet.clock.after(0.3, replica.kill)
    outcome = open_loop(fleet, rate=7000.0, calls=4000)
    assert outcome.failed == 0
    assert 0 < outcome.retried < 50
    assert fleet.replicas[0].inside == 0


def test_calls_fail_when_nobody_is_left() -> None:
    """The negative control: after four attempts the caller is told."""
    fleet = fleet_of(1, LOOP_ONLY)
    fleet.replicas[0].kill()
    assert open_loop(fleet, rate=100.0, calls=50).failed == 50


def test_a_replica_that_is_left_out_finishes_what_it_has() -> None:
    """Nothing is retried, and the others take its share."""
    fleet = fleet_of(3, LOOP_ONLY, many_clients=True)
    fleet.clock.after(0.5, lambda: fleet.out.add(1))
    outcome = open_loop(fleet, rate=1000.0, calls=3000)
    assert (outcome.failed, outcome.retried) == (0, 0)
    assert fleet.replicas[1].inside == 0
