"""Keeps the work of all threads on a GPU apart from the recording of a CUDA graph.

While a graph is recorded CUDA refuses what other threads ask of the device (to allocate, to copy), and the error it
gives looks like a broken device. So work goes side by side, and recording goes alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition


class Capture:
    """One for the process. Who waits to record is let in before work that comes later."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._at_work = 0
        self._recording = False
        self._wish_to_record = 0
        self._put_off: list[Callable[[], None]] = []

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
            while not self._ends_recording():
                pass

    def soon(self, task: Callable[[], None]) -> None:
        """Work of a finalizer, which may come up in any thread, in one that records too, and so must wait for nobody:
        at once, or by the thread that records when it has done so. It raises nothing.
        """
        with self._changed:  # which a thread that has it already is let into again
            if self._recording:
                self._put_off.append(task)
                return
            self._at_work += 1
        try:
            task()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def _ends_recording(self) -> bool:
        """Once nothing is put off; else it does that first, while nobody else records."""
        with self._changed:
            self._recording = False  # first, so that a finalizer in these very lines is not put off for ever
            tasks, self._put_off = self._put_off, []
            if not tasks:
                self._changed.notify_all()
                return True
            self._recording = True
        for task in tasks:
            task()
        return False


CAPTURE = Capture()
