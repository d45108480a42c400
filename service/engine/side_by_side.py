"""Whether batches of one model run side by side for so long that a session for that pays. No clock and no thread."""

LONG_ENOUGH_SECONDS = 3.0
"""With several batches under way, less the time with one or none since."""


class SideBySide:
    """Told how many batches are under way whenever that changes."""

    def __init__(self, long_enough_seconds: float = LONG_ENOUGH_SECONDS) -> None:
        self._long_enough = long_enough_seconds
        self._running = 0
        self._since = 0.0
        self._seconds = 0.0

    def note(self, running: int, now: float) -> None:
        """So many from now on; `now` is on any clock that only goes forward."""
        passed = now - self._since
        self._seconds = max(0.0, self._seconds + (passed if self._running > 1 else -passed))
        self._running, self._since = running, now

    @property
    def pays(self) -> bool:
        """As of the last note."""
        return self._seconds >= self._long_enough

    def begin_anew(self) -> None:
        """What was before does not count any more."""
        self._seconds = 0.0
