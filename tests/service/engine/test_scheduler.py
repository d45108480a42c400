"""What is computed next, decided without a clock: single decisions, and simulations of whole afternoons."""

import heapq
import itertools
import math
import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import pytest

from service.engine.batch_costs import BatchCosts
from service.engine.batch_policy import BatchPolicy, Closed
from service.engine.priority import Priority
from service.engine.scheduler import Cut, Pause, Scheduler
from service.errors import DeadlineUnreachable, QueueFull, ServiceError

SLOW = {1: 0.010, 2: 0.020, 4: 0.040, 8: 0.080}
"""Company makes nothing cheaper."""
NEARLY_FLAT = {1: 0.0140, 2: 0.0276, 4: 0.0544, 8: 0.1056}
"""A large network on the CPU: company saves 6 %."""
STEEP = {1: 0.010, 2: 0.011, 4: 0.012, 8: 0.014, 16: 0.020}
"""Company is nearly free."""


@dataclass(slots=True, kw_only=True)
class Image:
    """An item of the queue."""

    name: int = 0
    arrival: float = 0.0
    deadline: float | None = None
    priority: Priority = Priority.NORMAL
    rows: int = 1
    size_bytes: int = 10
    kind: Hashable = ""
    gone: bool = False


def scheduler(*images: Image, costs: dict[int, float] | None = None, **policy: float) -> Scheduler[Image]:
    subject = Scheduler[Image](BatchPolicy(**policy), BatchCosts(costs))  # type: ignore[arg-type] # ints among floats
    for image in images:
        subject.push(image)
    return subject


def names(step: Cut[Image] | Pause) -> list[int]:
    assert isinstance(step, Cut)
    return [image.name for image in step.items]


def numbered(count: int, **fields: float) -> list[Image]:
    return [Image(name=name, **fields) for name in range(count)]  # type: ignore[arg-type]


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


def test_only_what_was_measured_beforehand_is_expected() -> None:
    """What the batches themselves teach says little of a graph whose next one may be far larger."""
    assert scheduler(costs=SLOW, max_batch_size=8).expected(4) == 0.040
    taught = scheduler(max_batch_size=8)
    taught.observe(4, 0.040)
    assert taught.expected(4) == 0.0


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


def test_the_queue_is_bounded_in_images_and_bytes() -> None:
    """But an empty one takes any request."""
    subject = scheduler(*numbered(3), max_queue_images=3)
    with pytest.raises(QueueFull, match="3 images"):
        admit(subject)
    subject = scheduler(*numbered(3), max_queue_bytes=35)
    with pytest.raises(QueueFull, match="30 bytes"):
        admit(subject)
    admit(scheduler(max_queue_images=3), rows=4)


def test_an_urgent_request_does_not_count_those_who_wait_behind_it() -> None:
    """What it expects is what goes before it."""
    subject = scheduler(*(Image(priority=Priority.LOW) for _ in range(100)), costs=SLOW)
    admit(subject, deadline=0.05, priority=Priority.HIGH)
    with pytest.raises(DeadlineUnreachable):
        admit(subject, deadline=0.05, priority=Priority.LOW)


def admit(
    subject: Scheduler[Image],
    *,
    rows: int = 1,
    deadline: float | None = None,
    priority: Priority = Priority.NORMAL,
    now: float = 0.0,
    running: int = 1,
) -> None:
    subject.admit(rows=rows, size_bytes=10, deadline=deadline, priority=priority, now=now, running=running)


NOBODYS = -1
"""The name of images that are always there."""


@dataclass(slots=True, kw_only=True)
class Afternoon:
    """A simulation: arrivals in, and what became of each image. The clock is a number.

    Lanes share the cores, so a batch takes so many times as long on several of them.
    """

    subject: Scheduler[Image]
    costs: dict[int, float]
    lanes: int = 1
    always_waiting: int = 0
    """So many at the lowest priority are there whenever a batch is cut."""
    now: float = 0.0
    answered: dict[int, float] = field(default_factory=dict)
    """When, by the image's name."""
    refused: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    expected: dict[int, float] = field(default_factory=dict)
    """When each image was to be answered, as it was reckoned when it came."""
    _ends: list[tuple[float, int, Cut[Image], float]] = field(default_factory=list)

    def run(self, arrivals: Sequence[Image]) -> None:
        coming = sorted(arrivals, key=lambda image: image.arrival)
        while len(self.answered) + len(self.refused) < len(arrivals):
            pause = self._start_batches()
            times = [image.arrival for image in coming[:1]] + [end for end, *_ in self._ends[:1]]
            self.now = min([*times, *([] if pause is None else [self.now + pause])])
            while self._ends and self._ends[0][0] <= self.now:
                self._finish()
            while coming and coming[0].arrival <= self.now:
                self._arrive(coming.pop(0))

    def _arrive(self, image: Image) -> None:
        self.expected[image.name] = self.now + self.subject.expected_seconds(1, image.priority)
        try:
            self.subject.admit(
                rows=1,
                size_bytes=1,
                deadline=image.deadline,
                priority=image.priority,
                now=self.now,
                running=len(self._ends),
            )
        except ServiceError:
            self.refused.append(image.name)
        else:
            self.subject.push(image)

    def _start_batches(self) -> float | None:
        while isinstance(step := self._next(), Cut):
            self.refused += [image.name for image in step.expired]
            if step.items:
                seconds = cost_of(len(step.items), self.costs) * self.lanes
                self.sizes.append(len(step.items))
                heapq.heappush(self._ends, (self.now + seconds, len(self.sizes), step, seconds))
        return step.seconds

    def _next(self) -> Cut[Image] | Pause:
        while self.subject.waiting < self.always_waiting:
            self.subject.push(Image(name=NOBODYS, arrival=self.now, priority=Priority.LOW))
        return self.subject.next(now=self.now, running=len(self._ends))

    def _finish(self) -> None:
        end, _, cut, seconds = heapq.heappop(self._ends)
        self.subject.observe(len(cut.items), seconds)
        for image in cut.items:
            if image.name != NOBODYS:
                self.answered[image.name] = end


def cost_of(size: int, costs: dict[int, float]) -> float:
    return BatchCosts(costs).expected(size)


def poisson(count: int, rate: float, *, seed: int = 0, allowed: float = math.inf) -> list[Image]:
    chance, now, images = random.Random(seed), 0.0, list[Image]()
    for name in range(count):
        now += chance.expovariate(rate)
        images.append(Image(name=name, arrival=now, deadline=None if allowed == math.inf else now + allowed))
    return images


def p99(afternoon: Afternoon, arrivals: Sequence[Image]) -> float:
    latencies = sorted(afternoon.answered[image.name] - image.arrival for image in arrivals)
    return latencies[int(0.99 * len(latencies))]


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


@pytest.mark.parametrize("costs", [NEARLY_FLAT, SLOW, STEEP])
@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize("priority", [Priority.NORMAL, Priority.LOW])
def test_the_more_wait_the_longer_it_is_expected_to_take(
    costs: dict[int, float], lanes: int, priority: Priority
) -> None:
    """By as much as they add and no more, also where one more would be in a batch of another size."""
    subject = scheduler(costs=costs, max_batch_size=16, lanes=lanes)
    expected = []
    for _ in range(200):
        expected.append(subject.expected_seconds(1, priority))
        subject.push(Image(priority=priority))
    assert expected == sorted(expected)
    steps = [after - before for before, after in itertools.pairwise(expected)]
    assert max(steps) <= costs[1] + 1e-9


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
