"""Room for messages that are not taken yet, over all connections.

What comes within the window of a call is counted as it comes, up to a limit of its connection. A message that is larger
than the window is granted the rest in steps, as its bytes come: a promise alone takes no room. The steps go to the
connections in turn, and within one to its calls; none has more than its share. The last room of a share, and that of
all, is kept for whichever message has had some for longest, so that there is always one that can become whole.
"""

from collections import OrderedDict
from collections.abc import Callable

from service.http2.limits import CONNECTION_WINDOW

MESSAGES = 8
"""Of the largest size, for which there is room at a time; and as much for what comes within windows."""
OF_A_CONNECTION = 4
"""Messages of these; one for what comes within windows."""


class Share:
    """What one connection has."""

    __slots__ = ("granted", "grants", "held", "waiting")

    def __init__(self) -> None:
        self.granted = self.held = 0
        self.grants: OrderedDict[Grant, None] = OrderedDict()
        """In the order in which they began."""
        self.waiting: OrderedDict[Grant, None] = OrderedDict()


class Grant:
    """Room beyond the window of one call, for its message that has begun."""

    __slots__ = ("asked", "give", "share", "size")

    def __init__(self, share: Share, give: Callable[[int], None]) -> None:
        self.share = share
        self.give = give
        self.size = 0
        self.asked = 0
        """The step that it waits for."""


class Intake:
    """One for all connections of the door, on their event loop."""

    def __init__(self, *, message_bytes: int) -> None:
        self._unit = max(message_bytes, CONNECTION_WINDOW)
        self._free = self._small = MESSAGES * self._unit
        self._grants: OrderedDict[Grant, None] = OrderedDict()
        self._waiting: OrderedDict[Share, None] = OrderedDict()

    @property
    def untouched(self) -> bool:
        """Whether nobody has anything of it."""
        return self._free == self._small == MESSAGES * self._unit and not self._grants

    def hold(self, share: Share, size: int) -> bool:
        """Whether there is room for so much without a grant; `let_go` must follow where there is."""
        if size > self._small or share.held + size > self._unit:
            return False
        self._small -= size
        share.held += size
        return True

    def let_go(self, share: Share, size: int) -> None:
        """Of what is held."""
        self._small += size
        share.held -= size

    def ask(self, grant: Grant, size: int) -> None:
        """`give` is called with the size as soon as there is room, which may be at once; `put_back` must follow."""
        grant.asked = size
        self._grants.setdefault(grant)
        grant.share.grants.setdefault(grant)
        if self._fits(grant):
            self._give(grant)
        else:
            grant.share.waiting[grant] = None
            self._waiting.setdefault(grant.share)

    def put_back(self, grant: Grant, size: int) -> None:
        """Of what was given."""
        grant.size -= size
        grant.share.granted -= size
        self._free += size
        if not grant.size and not grant.asked:
            self._forget(grant)
        self._serve()

    def withdraw(self, grant: Grant) -> None:
        """Nobody waits for the message any more, or it is handed on."""
        grant.asked = 0
        self._wait_no_more(grant)
        self.put_back(grant, grant.size)

    def _fits(self, grant: Grant) -> bool:
        """All but the eldest leave room for a whole message."""
        free = self._free - (0 if next(iter(self._grants)) is grant else self._unit)
        share = grant.share
        left = OF_A_CONNECTION * self._unit - share.granted
        left -= 0 if next(iter(share.grants)) is grant else self._unit
        return grant.asked <= min(free, left)

    def _give(self, grant: Grant) -> None:
        size, grant.asked = grant.asked, 0
        grant.size += size
        grant.share.granted += size
        self._free -= size
        grant.give(size)

    def _serve(self) -> None:
        """A step for one call of each connection in turn, as long as there is room for any."""
        served = bool(self._waiting)
        while served:
            served = False
            for share in list(self._waiting):
                for grant in (next(iter(share.waiting)), next(iter(share.grants))):
                    if grant.asked and self._fits(grant):
                        self._waiting.move_to_end(share)
                        self._wait_no_more(grant)
                        self._give(grant)
                        served = True
                        break

    def _wait_no_more(self, grant: Grant) -> None:
        grant.share.waiting.pop(grant, None)
        if not grant.share.waiting:
            self._waiting.pop(grant.share, None)

    def _forget(self, grant: Grant) -> None:
        self._grants.pop(grant, None)
        grant.share.grants.pop(grant, None)
