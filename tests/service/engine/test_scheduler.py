"""What is computed next, decided without a clock: single decisions."""

import pytest

from service.engine.batch_costs import BatchCosts
from service.engine.batch_policy import BatchPolicy, Closed
from service.engine.cut import Cut, Pause
from service.engine.priority import Priority
from service.engine.scheduler import Scheduler
from tests.service.engine.schedulers import SLOW, STEEP, Image, names, numbered, scheduler

QUICK = {1: 0.0015, 2: 0.0030, 3: 0.0045}
"""Two together are nearly as cheap as three, and three are still quick."""


@pytest.mark.parametrize(
    ("costs", "policy", "whole", "piece"),
    [
        (QUICK, {"max_batch_size": 3}, 3, 3),
        (QUICK, {"max_batch_size": 2}, 2, 2),
        (QUICK, {"max_batch_size": 3, "slo_seconds": 0.007}, 2, 2),
        (QUICK, {"max_batch_size": 3, "ahead": 1}, 2, 2),
        (SLOW, {"max_batch_size": 8}, 1, 1),
        (STEEP, {"max_batch_size": 16, "lanes": 2}, 16, 1),
    ],
)
def test_a_request_of_many_images_stays_in_one_piece_while_that_is_quick(
    costs: dict[int, float], policy: dict[str, float], whole: int, piece: int
) -> None:
    """Within the objective; on several lanes it is spread, and on a GPU it fills no size up."""
    subject = scheduler(costs=costs, **policy)
    assert (subject.sizes.whole, subject.sizes.piece) == (whole, piece)
    subject.push(Image(rows=subject.sizes.whole))
    step = subject.next(now=0.0, running=0)
    assert isinstance(step, Cut)
    assert [item.rows for item in step.items] == [whole]


def test_only_a_full_batch_is_made_ready_ahead() -> None:
    """While the one lane is taken; one that is not full may still find company."""
    subject = scheduler(*numbered(7), max_batch_size=4, ahead=1)
    step = subject.next(now=0.0, running=1)
    assert isinstance(step, Cut)
    assert (names(step), step.closed) == ([0, 1, 2, 3], Closed.FULL)
    assert subject.next(now=0.0, running=1) == Pause()
    assert subject.next(now=0.0, running=1, closing=True) == Pause()
    subject.push(Image(name=7))
    assert subject.next(now=0.0, running=2) == Pause()
    assert names(subject.next(now=0.0, running=0)) == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("costs", "at_once", "priority", "other", "early"),
    [
        (QUICK, 2, Priority.LOW, None, [0, 1, 2, 3]),
        (QUICK, 4, Priority.LOW, None, [0, 1, 2, 3, 4, 5]),
        (QUICK, 2, Priority.NORMAL, None, None),
        (QUICK, 2, Priority.LOW, Priority.NORMAL, None),
        (QUICK, 1, Priority.LOW, None, None),  # what is given out cannot come back
        (SLOW, 2, Priority.LOW, None, None),
        (None, 2, Priority.LOW, None, None),  # nobody knows what a batch costs
    ],
)
def test_who_may_wait_is_handed_over_early_and_in_several_batches(
    costs: dict[int, float] | None, at_once: int, priority: Priority, other: Priority | None, early: list[int] | None
) -> None:
    """Full ones, once beyond the lanes, and none while somebody more important waits."""
    subject = Scheduler[Image](BatchPolicy(max_batch_size=3, lanes=2), BatchCosts(costs), at_once=at_once)
    for name in range(7):
        subject.push(Image(name=name, priority=priority))
    if other is not None:
        subject.push(Image(name=7, priority=other))
    assert subject.urgent is (Priority.NORMAL in (priority, other))
    step = subject.next(now=0.0, running=2)
    assert (None if isinstance(step, Pause) else names(step)) == early
    assert isinstance(step, Pause) or step.patient
    assert subject.next(now=0.0, running=3) == Pause()


def test_free_lanes_share_those_who_may_wait() -> None:
    """Rather than that one has all of them; the last ones are no full batch, and nothing of theirs comes back."""
    subject = Scheduler[Image](BatchPolicy(max_batch_size=3, lanes=2), BatchCosts({1: 0.002, 3: 0.003}), at_once=4)
    for name in range(13):
        subject.push(Image(name=name, priority=Priority.LOW))
    steps = [subject.next(now=0.0, running=running) for running in (0, 1, 0)]
    assert [names(step) for step in steps] == [list(range(6)), list(range(6, 12)), [12]]
    assert [isinstance(step, Cut) and step.patient for step in steps] == [True, True, False]


def test_a_free_session_takes_what_is_there() -> None:
    """Nobody waits for company."""
    subject = scheduler(*numbered(3))
    step = subject.next(now=0.0, running=0)
    assert isinstance(step, Cut)
    assert (names(step), step.closed, subject.waiting) == ([0, 1, 2], Closed.IDLE, 0)
    assert subject.next(now=0.0, running=1) == Pause()


def test_a_busy_session_lets_the_next_batch_gather() -> None:
    """Until a lane is free, however long that is."""
    subject = scheduler(*numbered(100))
    assert subject.next(now=9.0, running=1) == Pause()
    assert subject.waiting == 100


def test_images_are_counted_and_not_requests() -> None:
    """A request that does not fit goes with the next batch, and nobody overtakes it."""
    subject = scheduler(
        Image(name=0, rows=2), Image(name=1, rows=3), Image(name=2), Image(name=3, rows=5), max_batch_size=5
    )
    assert subject.waiting == 11
    assert names(subject.next(now=0.0, running=0)) == [0, 1]
    assert names(subject.next(now=0.0, running=0)) == [2]
    assert names(subject.next(now=0.0, running=0)) == [3]


def test_only_one_kind_goes_together() -> None:
    """And what is of no kind goes alone."""
    subject = scheduler(*(Image(name=place, kind=kind) for place, kind in enumerate(["a", "a", "b", None, None])))
    batches = [names(subject.next(now=0.0, running=0)) for _ in range(4)]
    assert batches == [[0, 1], [2], [3], [4]]


def test_a_wait_for_company_runs_from_the_first_arrival() -> None:
    """It never restarts, and a full batch does not wait."""
    subject = scheduler(Image(arrival=10.0), max_delay_seconds=2.0, max_batch_size=4)
    assert subject.next(now=10.0, running=0) == Pause(seconds=2.0)
    subject.push(Image(arrival=11.0))
    assert subject.next(now=11.5, running=0) == Pause(seconds=0.5)
    step = subject.next(now=12.0, running=0)
    assert isinstance(step, Cut)
    assert (len(step.items), step.closed) == (2, Closed.DELAY)
    subject = scheduler(*numbered(4), max_delay_seconds=2.0, max_batch_size=4)
    step = subject.next(now=0.0, running=0)
    assert isinstance(step, Cut)
    assert step.closed is Closed.FULL


def test_nobody_waits_for_company_beyond_a_deadline() -> None:
    """Whoever has one goes early enough to be computed, whatever delay was set."""
    subject = scheduler(Image(deadline=1.0), costs=SLOW, max_delay_seconds=3600.0)
    pause = subject.next(now=0.0, running=0)
    assert isinstance(pause, Pause)
    assert pause.seconds is not None
    assert pause.seconds == 0.75 - SLOW[1]
    step = subject.next(now=pause.seconds, running=0)
    assert isinstance(step, Cut)
    assert step.closed is Closed.DEADLINE


def test_a_drain_waits_for_nobody() -> None:
    """The delay is over then."""
    subject = scheduler(Image(), max_delay_seconds=3600.0)
    assert names(subject.next(now=0.0, running=0, closing=True)) == [0]


def test_work_that_is_expired_or_gone_is_never_started() -> None:
    """The expired learn it; those who went away took themselves off."""
    late, away, good = Image(name=0, deadline=1.0), Image(name=1, gone=True), Image(name=2, deadline=9.0)
    step = scheduler(late, away, good).next(now=2.0, running=0)
    assert isinstance(step, Cut)
    assert (names(step), step.expired) == ([2], [late])
    step = scheduler(away).next(now=2.0, running=0)
    assert isinstance(step, Cut)
    assert (step.items, step.expired) == ([], [])


@pytest.mark.parametrize(
    ("image", "step"),
    [
        (Image(deadline=2.0), ([0], [], Closed.IDLE)),
        (Image(deadline=1.9), ([], [0], Closed.IDLE)),
        (Image(deadline=1.9, gone=True), ([], [], Closed.IDLE)),
        (Image(rows=8), ([0], [], Closed.FULL)),
        (Image(rows=7), ([0], [], Closed.IDLE)),
    ],
)
def test_an_item_alone_on_a_free_session_is_tried_in_time(
    image: Image, step: tuple[list[int], list[int], Closed]
) -> None:
    """Whatever its batch is expected to take."""
    subject = scheduler(image, costs={8: 60.0}, max_batch_size=8)
    cut = subject.next(now=2.0, running=0)
    assert isinstance(cut, Cut)
    assert (names(cut), [item.name for item in cut.expired], cut.closed) == step
    assert (subject.waiting, subject.next(now=2.0, running=0)) == (0, Pause())


def test_work_that_cannot_be_done_in_time_is_not_started_while_others_wait() -> None:
    """A free session tries it: only a batch that runs mends a wrong estimate."""
    for running, expected in ((0, [0]), (1, [])):
        subject = scheduler(Image(deadline=1.0), costs=SLOW, lanes=2)
        assert names(subject.next(now=0.995, running=running)) == expected


def test_company_that_would_make_somebody_late_goes_later() -> None:
    """The first one has time for two, and not for three."""
    costs = {1: 0.010, 2: 0.012, 4: 0.030, 8: 0.032, 16: 0.034}
    subject = scheduler(Image(name=0, deadline=0.020), Image(name=1), Image(name=2), costs=costs)
    step = subject.next(now=0.0, running=0)
    assert isinstance(step, Cut)
    assert (names(step), step.closed) == ([0, 1], Closed.DEADLINE)


def test_what_waits_is_spread_over_the_free_lanes() -> None:
    """One image uses the session alone; four on two lanes are two and two."""
    subject = scheduler(*numbered(4), lanes=2)
    assert names(subject.next(now=0.0, running=0)) == [0, 1]
    assert names(subject.next(now=0.0, running=1)) == [2, 3]
    assert subject.next(now=0.0, running=2) == Pause()


def test_a_tiny_model_has_one_lane() -> None:
    """Threads would cost more than they gain; company is cheaper."""
    subject = scheduler(*numbered(4), costs={1: 0.0001, 8: 0.0002}, lanes=8)
    assert names(subject.next(now=0.0, running=0)) == [0, 1, 2, 3]
    subject.push(Image())
    assert subject.next(now=0.0, running=1) == Pause()


def test_a_tiny_model_has_all_lanes_while_much_waits() -> None:
    """What is worth a thread of its own has one; what is not waits for company."""
    subject = scheduler(*numbered(16), costs={1: 0.0005, 8: 0.004}, lanes=2)
    assert names(subject.next(now=0.0, running=0)) == list(range(8))
    assert names(subject.next(now=0.0, running=1)) == list(range(8, 16))
    subject.push(Image())
    assert subject.next(now=0.0, running=1) == Pause()


def test_the_objective_bounds_the_batch() -> None:
    """Two batches must fit into it: the one that runs already, and one's own."""
    assert scheduler(costs=STEEP, max_batch_size=16).sizes.largest == 16
    assert scheduler(costs=STEEP, max_batch_size=16, slo_seconds=0.028).sizes.largest == 8
    assert scheduler(costs=STEEP, max_batch_size=16, slo_seconds=0.001).sizes.largest == 1
    assert scheduler(costs=SLOW, max_batch_size=16).sizes.largest == 1
    assert scheduler(max_batch_size=16, slo_seconds=0.1).sizes.largest == 16


def test_the_objective_opens_a_window_beside_a_running_batch() -> None:
    """Where company pays and a lane is free, a batch gathers for as long as the objective leaves; never when idle."""
    subject = scheduler(Image(), costs=STEEP, max_batch_size=16, lanes=2, slo_seconds=0.1)
    assert subject.next(now=0.0, running=1) == Pause(seconds=0.05 - 0.020)
    assert names(subject.next(now=0.0, running=0)) == [0]
    flat = scheduler(Image(), costs=SLOW, max_batch_size=16, lanes=2, slo_seconds=0.1)
    assert names(flat.next(now=0.0, running=1)) == [0]
