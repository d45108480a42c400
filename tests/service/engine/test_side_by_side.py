"""When a session for batches side by side pays: under load that lasts, and not for a moment of it."""

from service.engine.side_by_side import SideBySide


def after(seconds: int, several: float, *, batch: float = 0.1) -> bool:
    """Whether it pays after so many seconds in each of which several batches run for a share of the time."""
    load, now = SideBySide(long_enough_seconds=3.0), 100.0
    for _ in range(seconds):
        end = now + 1.0
        while now < end:
            load.note(2 if end - now > 1.0 - several else 1, now)
            now += batch
        load.note(0, end)
    return load.pays


def test_it_pays_under_load_that_lasts() -> None:
    """Three seconds of it, and no less."""
    assert not after(2, several=1.0)
    assert after(4, several=1.0)


def test_batches_that_meet_now_and_then_are_no_load() -> None:
    """However long that goes on; where they do so most of the time it is one."""
    assert not after(600, several=0.4)
    assert after(600, several=0.6)


def test_one_after_the_other_is_no_load() -> None:
    """The session of all threads is right for it."""
    assert not after(600, several=0.0)


def test_what_was_before_can_be_left_behind() -> None:
    """As when there was no memory."""
    load, seen = SideBySide(long_enough_seconds=3.0), []
    load.note(2, 0.0)
    load.note(2, 5.0)
    seen.append(load.pays)
    load.begin_anew()
    seen.append(load.pays)
    load.note(2, 8.0)
    seen.append(load.pays)
    assert seen == [True, False, True]
