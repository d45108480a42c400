"""Plain lines away from a terminal, a bar on one."""

import io
from dataclasses import replace

from rich.console import Console

from training.checkpoint import Run
from training.data import Splits
from training.loop import EpochResult
from training.progress import FitProgress


def report(console: Console, run: Run, splits: Splits) -> None:
    """One epoch of two steps, as fit reports it."""
    with FitProgress(console) as progress:
        progress.begin(replace(run.record.recipe, epochs=1, batch_size=300), splits, run.record.hardware)
        progress.step()
        progress.step()
        progress.epoch(EpochResult(epoch=1, loss=0.5, learning_rate=0.1, seconds=1.0), run.record.metrics["validation"])


def test_plain_lines_go_to_a_file(trained_run: Run, splits: Splits) -> None:
    """One line for the run and one for each epoch; no control characters."""
    output = io.StringIO()
    report(Console(file=output, width=120), trained_run, splits)
    lines = output.getvalue().splitlines()
    assert lines[0].startswith("fashion_cnn on fashion-mnist-sample (550 train, 50 validation, 300 test); cpu")
    assert lines[1].startswith("epoch 1/1  loss 0.5000  validation accuracy ")
    assert len(lines) == 2
    assert "\x1b" not in output.getvalue()


def test_a_terminal_shows_a_bar(trained_run: Run, splits: Splits) -> None:
    """With the steps done and to do, above it the same lines."""
    output = io.StringIO()
    report(Console(file=output, width=120, force_terminal=True), trained_run, splits)
    assert "2/2" in output.getvalue()
    assert "loss 0.5000" in output.getvalue()
