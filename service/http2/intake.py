"""Room for messages that are not whole yet, over all connections.

What fits into the window of a call is taken as it comes, up to a limit. A message that is larger than the window is
granted the rest when its length is known, and waits for that while others have all there is.
"""

from collections import deque
from collections.abc import Callable

MESSAGES = 8
"""Of the largest size, for which there is room at a time."""


class Grant:
    """Room for the message of one call."""

    __slots__ = ("give", "given", "size")

    def __init__(self, size: int, give: Callable[[int], None]) -> None:
        self.size = size
        self.give = give
        self.given = False


class Intake:
    """One for all connections of the door, on their event loop."""

    def __init__(self, *, message_bytes: int) -> None:
        self._message_bytes = message_bytes
        self._free = MESSAGES * message_bytes
        self._small = MESSAGES * message_bytes
        self._waiting: deque[Grant] = deque()

    @property
    def untouched(self) -> bool:
        """Whether nobody has anything of it."""
        return self._free == self._small == MESSAGES * self._message_bytes and not self._waiting

    def hold(self, size: int) -> bool:
        """Whether there is room for so much without a grant; `let_go` must follow where there is."""
        if size > self._small:
            return False
        self._small -= size
        return True

    def let_go(self, size: int) -> None:
        """Of what is held."""
        self._small += size

    def ask(self, size: int, give: Callable[[int], None]) -> Grant:
        """`give` is called with the size as soon as there is room, which may be at once; `release` must follow."""
        grant = Grant(size, give)
        self._waiting.append(grant)
        self._serve()
        return grant

    def release(self, grant: Grant) -> None:
        """The message is there and handed on, or nobody waits for it any more."""
        if grant.given:
            self._free += grant.size
            self._serve()
        elif grant in self._waiting:
            self._waiting.remove(grant)

    def _serve(self) -> None:
        """In the order in which they came."""
        while self._waiting and self._waiting[0].size <= self._free:
            grant = self._waiting.popleft()
            self._free -= grant.size
            grant.given = True
            grant.give(grant.size)
