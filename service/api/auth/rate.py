"""How fast a caller may call: a bucket that fills at the rate and holds one second's worth."""

import math
import time
from collections.abc import Callable

Clock = Callable[[], float]


class Bucket:
    """`per_second` calls on average, and as many at once (at least one). Lives on one event loop."""

    def __init__(self, per_second: float, *, clock: Clock = time.monotonic) -> None:
        self.per_second = per_second
        self._clock = clock
        self._size = max(1.0, math.floor(per_second))
        self._level = self._size
        self._at = clock()

    def take(self) -> float:
        """0 where the call may come in; else in how many seconds it may, and then nothing was taken."""
        now = self._clock()
        self._level = min(self._size, self._level + (now - self._at) * self.per_second)
        self._at = now
        if self._level < 1:
            return (1 - self._level) / self.per_second
        self._level -= 1
        return 0.0
