"""Keeps the work of all threads on a GPU apart from the recording of a CUDA graph.

While a graph is recorded CUDA refuses what other threads ask of the device (to allocate, to copy), and the error it
gives looks like a broken device. So work goes side by side, and recording goes alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Capture:
    """One for the process. Who waits to record is let in before work that comes later."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._at_work = 0
        self._recording = False
        self._wish_to_record = 0

    @contextmanager
    def work(self) -> Iterator[None]:
        """Anything on the device that records no graph."""
        with self._changed:
            self._changed.wait_for(lambda: not self._recording and not self._wish_to_record)
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Runs that may record a graph; nothing else is at work meanwhile."""
        with self._changed:
            self._wish_to_record += 1
            self._changed.wait_for(lambda: not self._recording and not self._at_work)
            self._wish_to_record -= 1
            self._recording = True
        try:
            yield
        finally:
            with self._changed:
                self._recording = False
                self._changed.notify_all()


CAPTURE = Capture()
