"""Who may join the scheduler's queue, and how long it is expected to take."""

import itertools

import pytest

from service.engine.priority import Priority
from service.engine.scheduler import Scheduler
from service.errors import DeadlineUnreachable, QueueFull
from tests.service.engine.schedulers import NEARLY_FLAT, SLOW, STEEP, Image, numbered, scheduler


def test_the_queue_is_bounded_in_images_and_bytes() -> None:
    """But an empty one takes any request."""
    subject = scheduler(*numbered(3), max_queue_images=3)
    with pytest.raises(QueueFull, match="3 images"):
        admit(subject)
    subject = scheduler(*numbered(3), max_queue_bytes=35)
    with pytest.raises(QueueFull, match="30 bytes"):
        admit(subject)
    admit(scheduler(max_queue_images=3), rows=4)


def test_those_who_would_wait_behind_it_take_no_room_from_a_request() -> None:
    """Or a batch job that fills the queue would have everybody refused."""
    subject = scheduler(*(Image(priority=Priority.LOW) for _ in range(3)), max_queue_images=3)
    admit(subject, priority=Priority.NORMAL)
    with pytest.raises(QueueFull, match="3 images"):
        admit(subject, priority=Priority.LOW)
    for _ in range(3):
        subject.push(Image(priority=Priority.NORMAL))
    admit(subject, priority=Priority.HIGH)
    with pytest.raises(QueueFull, match="3 images"):
        admit(subject, priority=Priority.NORMAL)


def test_an_urgent_request_does_not_count_those_who_wait_behind_it() -> None:
    """What it expects is what goes before it."""
    subject = scheduler(*(Image(priority=Priority.LOW) for _ in range(100)), costs=SLOW)
    admit(subject, deadline=0.05, priority=Priority.HIGH)
    with pytest.raises(DeadlineUnreachable):
        admit(subject, deadline=0.05, priority=Priority.LOW)


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


def test_only_what_was_measured_beforehand_is_expected() -> None:
    """What the batches themselves teach says little of a graph whose next one may be far larger."""
    assert scheduler(costs=SLOW, max_batch_size=8).expected(4) == 0.040
    taught = scheduler(max_batch_size=8)
    taught.observe(4, 0.040)
    assert taught.expected(4) == 0.0


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
