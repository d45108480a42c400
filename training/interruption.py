"""Ctrl-C, and the SIGTERM of whoever needs the machine: the step ends, its state is saved, the run can go on later."""

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Used as a context manager around the epochs: notes the first signal, which someone must then look for.

    A second one does what the first would have done without this. Signals that were ignored stay ignored; those that
    another library handles outside of Python, those of a process that is one of several (`heeded` False), and those of
    a thread that is not the main one, are left alone.
    """

    def __init__(self, *, heeded: bool = True) -> None:
        self._heeded = heeded and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}
        self.number: int | None = None
        """of the signal that came, if one did"""

    def __enter__(self) -> Self:
        numbers = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
        self._before = {number: signal.signal(number, self._note) for number in numbers if self._heeded}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
