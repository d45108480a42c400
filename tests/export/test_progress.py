"""What an export says while it runs (export/progress.py)."""

import io
import re

import pytest
from rich.console import Console

from export.progress import ExportProgress


def report(console: Console) -> None:
    with ExportProgress(console, steps=2) as progress:
        for name in ("graph", "verify"):
            with progress.step(name) as step:
                step.text = f"did {name}"


def test_plain_lines_away_from_a_terminal() -> None:
    """One for each step, without control characters."""
    stream = io.StringIO()
    report(Console(file=stream))
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"graph +did graph +\d+\.\d s", first)
    assert re.fullmatch(r"verify +did verify +\d+\.\d s", second)


def test_a_bar_on_a_terminal() -> None:
    """It counts the steps, and the lines stay."""
    stream = io.StringIO()
    report(Console(file=stream, force_terminal=True, width=80))
    assert "did verify" in stream.getvalue()
    assert "/2" in stream.getvalue()


def test_a_step_that_fails_reports_nothing() -> None:
    """The error is for the caller to show."""
    stream = io.StringIO()
    progress = ExportProgress(Console(file=stream), steps=1)
    with pytest.raises(OSError, match="full"), progress, progress.step("publish"):
        raise OSError("full")
    assert stream.getvalue() == ""
