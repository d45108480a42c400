"""Room for messages that are not whole (service/http2/intake.py)."""

from service.http2.intake import MESSAGES, Intake


def test_room_is_given_in_the_order_of_asking() -> None:
    """Nobody who asks for little passes one who waits for much."""
    intake, given = Intake(message_bytes=10), list[str]()
    first = [intake.ask(10, lambda _: given.append("first")) for _ in range(MESSAGES)]
    large = intake.ask(10, lambda _: given.append("large"))
    small = intake.ask(1, lambda _: given.append("small"))
    assert given == ["first"] * MESSAGES
    intake.release(first.pop())
    assert given[MESSAGES:] == ["large"]
    intake.release(large)
    assert given[MESSAGES:] == ["large", "small"]
    intake.release(small)


def test_who_no_longer_waits_gets_nothing() -> None:
    intake, given = Intake(message_bytes=10), list[int]()
    first = [intake.ask(10, given.append) for _ in range(MESSAGES)]
    gone, other = intake.ask(10, given.append), intake.ask(5, given.append)
    intake.release(gone)
    intake.release(first.pop())
    assert given[MESSAGES:] == [5]
    intake.release(other)


def test_what_is_held_has_a_limit_and_comes_back() -> None:
    intake = Intake(message_bytes=10)
    assert intake.hold(10 * MESSAGES)
    assert not intake.hold(1)
    intake.let_go(1)
    assert intake.hold(1)
