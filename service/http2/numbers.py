"""The numbers of a connection's streams: which came, which may still, which never will (RFC 9113, section 5.1.1)."""

from collections import deque

from service.http2.frames import LARGEST_NUMBER

MOST_GAPS = 64
"""That are remembered; clients count by two."""


class Numbers:
    """Of one connection."""

    def __init__(self) -> None:
        self.last = 0
        """The highest that came."""
        self.taken_until = LARGEST_NUMBER
        """Calls above are not looked at: the client was told."""
        self._gaps: deque[range] = deque(maxlen=MOST_GAPS)

    def open(self, at: int) -> bool:
        """Whether it is a stream that is new, and may be; it is open then."""
        last = self.last
        if not last < at <= self.taken_until:
            return False
        if at > last + 2:
            self._gaps.append(range((last + 1) | 1, at, 2))
        self.last = at
        return True

    def take_no_more(self) -> None:
        """Those that came are the last."""
        self.taken_until = self.last

    def is_idle(self, at: int) -> bool:
        """Whether nothing but a head may come on it."""
        return self.last < at <= self.taken_until

    def was_passed_over(self, at: int) -> bool:
        """Whether it was never opened and is closed, because a higher one was."""
        return at <= self.last and any(at in gap for gap in self._gaps)
