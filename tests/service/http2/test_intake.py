"""Room for messages that are not taken yet (service/http2/intake.py)."""

from service.http2.intake import MESSAGES, OF_A_CONNECTION, Grant, Intake, Share

UNIT = 2**23
STEP = 2**20
ALL_BUT_ONE = (OF_A_CONNECTION - 1) * UNIT // STEP


class Calls:
    """That ask for steps, and note what they were given."""

    def __init__(self) -> None:
        self.intake = Intake(message_bytes=UNIT)
        self.given: list[str] = []

    def grant(self, name: str, share: Share) -> Grant:
        return Grant(share, lambda _: self.given.append(name))

    def fill(self, grant: Grant, steps: int) -> None:
        """What a call is given that brings what it promised."""
        for _ in range(steps):
            self.intake.ask(grant, STEP)
            assert not grant.asked


def test_a_step_is_given_at_once_and_comes_back() -> None:
    calls = Calls()
    grant = calls.grant("one", Share())
    calls.fill(grant, 3)
    assert (grant.size, calls.given) == (3 * STEP, ["one"] * 3)
    calls.intake.put_back(grant, STEP)
    assert not calls.intake.untouched
    calls.intake.withdraw(grant)
    assert calls.intake.untouched


def test_a_connection_has_a_share_and_the_others_theirs() -> None:
    """Its eldest message can still become whole, and those of others are not behind its own."""
    calls, greedy = Calls(), Share()
    eldest = calls.grant("eldest", greedy)
    calls.fill(eldest, 1)
    many = [calls.grant(f"greedy {number}", greedy) for number in range(ALL_BUT_ONE + 5)]
    for grant in many:
        calls.intake.ask(grant, STEP)
    assert sum(bool(grant.asked) for grant in many) == 6
    calls.fill(eldest, UNIT // STEP - 1)
    calls.fill(calls.grant("other", Share()), UNIT // STEP)
    calls.intake.withdraw(eldest)
    assert sum(bool(grant.asked) for grant in many) == 5
    calls.intake.withdraw(many[0])
    assert sum(bool(grant.asked) for grant in many) == 4


def test_connections_are_served_in_turn() -> None:
    """Whatever number of their calls wait, and whoever came first."""
    calls = Calls()
    first = [calls.grant("first", share) for share in (Share(), Share())]
    calls.fill(first[0], ALL_BUT_ONE + UNIT // STEP)
    calls.fill(first[1], ALL_BUT_ONE)
    shares = {"a": Share(), "b": Share()}
    waiting = [calls.grant(name, shares[name]) for name in ("a", "a", "a", "b")]
    calls.given.clear()
    for grant in waiting:
        calls.intake.ask(grant, STEP)
    assert calls.given == []
    for _ in range(4):
        calls.intake.put_back(first[0], STEP)
    assert calls.given == ["a", "b", "a", "a"]
    for grant in (*first, *waiting):
        calls.intake.withdraw(grant)
    assert calls.intake.untouched


def test_there_is_always_one_that_can_become_whole() -> None:
    """However many have begun, all of them come to their end."""
    calls = Calls()
    shares = [Share() for _ in range(4)]
    missing = {calls.grant(str(number), shares[number % 4]): UNIT for number in range(60)}
    for grant in missing:
        calls.intake.ask(grant, STEP)
    while missing:
        served = [grant for grant in missing if not grant.asked]
        assert served, "nobody has room to go on"
        for grant in served:
            missing[grant] -= STEP
            if missing[grant]:
                calls.intake.ask(grant, STEP)
            else:
                del missing[grant]
                calls.intake.withdraw(grant)
    assert calls.intake.untouched


def test_who_no_longer_waits_gets_nothing() -> None:
    calls, share = Calls(), Share()
    first = calls.grant("first", share)
    calls.fill(first, OF_A_CONNECTION * UNIT // STEP)
    gone, other = calls.grant("gone", share), calls.grant("other", share)
    calls.intake.ask(gone, STEP)
    calls.intake.ask(other, STEP)
    calls.intake.withdraw(gone)
    calls.given.clear()
    calls.intake.withdraw(first)
    assert calls.given == ["other"]


def test_what_is_held_has_a_limit_for_each_and_for_all() -> None:
    """And comes back."""
    intake = Intake(message_bytes=UNIT)
    shares = [Share() for _ in range(MESSAGES)]
    for share in shares:
        assert intake.hold(share, UNIT)
        assert not intake.hold(share, 1)
    assert not intake.hold(Share(), 1)
    intake.let_go(shares[0], 1)
    assert not intake.hold(shares[1], 1)
    assert intake.hold(Share(), 1)
