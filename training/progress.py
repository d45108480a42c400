"""How a run comes along: a bar on a terminal, one plain line for each epoch anywhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.config import Recipe
from training.data import Splits
from training.loop import EpochResult
from training.metrics import Metrics
from training.record import Hardware


class FitProgress:
    """Follows `training.fit.fit`; used as a context manager, so that the bar is gone when an error is shown."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("epoch 1")
        self._epochs = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def resumed(self, epoch: int, seconds: float) -> None:
        self._line(f"goes on in epoch {epoch + 1}, after {seconds:.0f} s that were spent before")

    def begin(self, recipe: Recipe, splits: Splits, hardware: Hardware) -> None:
        self._epochs = recipe.epochs
        steps = recipe.epochs * recipe.steps_per_epoch(len(splits.train))
        self._bar.reset(self._task, total=steps, description=f"epoch 1/{recipe.epochs}")
        sizes = ", ".join(f"{count:,} {name}" for name, count in splits.sizes.items())
        self._line(f"{recipe.name} on {recipe.data.name} ({sizes}); {hardware.in_words}")

    def step(self) -> None:
        self._bar.advance(self._task)

    def epoch(self, result: EpochResult, validation: Metrics) -> None:
        following = min(result.epoch + 1, self._epochs)
        self._bar.update(self._task, description=f"epoch {following}/{self._epochs}")
        self._line(
            f"epoch {result.epoch}/{self._epochs}  loss {result.loss:.4f}  "
            f"validation accuracy {validation.accuracy:.2%}  {result.seconds:.1f} s"
        )

    def note(self, text: str) -> None:
        """Something that the user should know, once."""
        self._line(f"note: {text}")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)
