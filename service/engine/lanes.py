"""When batches that were handed over began: at once while a lane is free, else when one before them was done."""

from collections import deque


class Turn:
    """Of one batch."""

    __slots__ = ("began_at",)

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        """Until a lane is free for it: when it was handed over."""


class Lanes:
    """So many batches are computed side by side, in the order in which they came. Times are on one clock, whichever."""

    def __init__(self, lanes: int) -> None:
        self._free = lanes
        self._waiting = deque[Turn]()

    def enter(self, now: float) -> Turn:
        """A batch is handed over."""
        turn = Turn(now)
        if self._free:
            self._free -= 1
        else:
            self._waiting.append(turn)
        return turn

    def leave(self, turn: Turn, now: float) -> None:
        """One is done, or has failed; whoever overtook others leaves their lanes to them."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif self._waiting:
            self._waiting.popleft().began_at = now
        else:
            self._free += 1
