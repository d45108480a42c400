"""How a job comes along: a bar on a terminal, a plain line every ten seconds anywhere else; on stderr."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class JobProgress:
    """Used as a context manager, so that the bar is gone when an error is shown."""

    def __init__(self, console: Console, *, images: int, done: int, seconds: float = SECONDS_BETWEEN_LINES) -> None:
        self._console = console
        self._images = images
        self._seconds = seconds
        self._before = done
        self._done = done
        self._errors = 0
        self._began = self._said = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.fields[rate]} images/s"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[errors]} errors"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=images, completed=done, rate="0", errors=0)

    def __enter__(self) -> Self:
        self._began = self._said = time.monotonic()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    @property
    def images_per_second(self) -> float:
        """Of this run."""
        seconds = time.monotonic() - self._began
        return (self._done - self._before) / seconds if seconds > 0 else 0.0

    def add(self, *, images: int, errors: int) -> None:
        self._done += images
        self._errors += errors
        rate = self.images_per_second
        self._bar.update(self._task, completed=self._done, rate=f"{rate:,.0f}", errors=self._errors)
        if not self._console.is_terminal and time.monotonic() - self._said >= self._seconds:
            self._said = time.monotonic()
            self.say(
                f"{self._done:,} of {self._images:,} images, {rate:,.0f}/s, {self._errors:,} errors, {self._left(rate)}"
            )

    def say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _left(self, rate: float) -> str:
        if rate <= 0:
            return "time left unknown"
        minutes, seconds = divmod(round((self._images - self._done) / rate), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d} left"
