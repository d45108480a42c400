"""How an export comes along: a bar over the steps on a terminal, one plain line for each step anywhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class StepReport:
    """What a step has to say when it is done; the step fills it in."""

    text = ""


class ExportProgress:
    """Used as a context manager, so that the bar is gone when an error is shown."""

    def __init__(self, console: Console, *, steps: int) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=steps)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    @contextmanager
    def step(self, name: str) -> Iterator[StepReport]:
        """Shows the step while it runs, and its report with the seconds it took once it is done."""
        self._bar.update(self._task, description=name)
        report, began = StepReport(), time.perf_counter()
        yield report
        seconds = time.perf_counter() - began
        self._bar.advance(self._task)
        self._console.print(f"{name:<10} {report.text}  {seconds:.1f} s", highlight=False, markup=False, soft_wrap=True)
