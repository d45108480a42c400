"""When batches begin (service/engine/lanes.py): whoever waits for a lane begins when one is let go."""

from service.engine.lanes import Lanes


def test_a_batch_begins_at_once_while_a_lane_is_free() -> None:
    lanes = Lanes(2)
    first, second = lanes.enter(1.0), lanes.enter(2.0)
    assert (first.began_at, second.began_at) == (1.0, 2.0)
    lanes.leave(first, 3.0)
    assert lanes.enter(4.0).began_at == 4.0


def test_one_that_was_handed_over_ahead_begins_when_another_is_done() -> None:
    """In the order in which they came, whichever of them is done first."""
    lanes = Lanes(2)
    first, second, third, fourth = (lanes.enter(now) for now in (1.0, 2.0, 3.0, 4.0))
    lanes.leave(first, 5.0)
    assert (third.began_at, fourth.began_at) == (5.0, 4.0)
    lanes.leave(second, 6.0)
    assert [turn.began_at for turn in (first, second, third, fourth)] == [1.0, 2.0, 5.0, 6.0]
    lanes.leave(third, 7.0)
    lanes.leave(fourth, 8.0)
    assert [lanes.enter(9.0).began_at, lanes.enter(9.5).began_at] == [9.0, 9.5]


def test_one_that_overtakes_takes_no_lane_from_whoever_is_still_computed() -> None:
    """On a GPU a small batch may be ready before a large one that was handed over first."""
    lanes = Lanes(1)
    large, small = lanes.enter(1.0), lanes.enter(2.0)
    lanes.leave(small, 3.0)
    assert small.began_at == 2.0
    third = lanes.enter(4.0)
    lanes.leave(large, 5.0)
    assert third.began_at == 5.0
