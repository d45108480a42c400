"""The report is one file that holds everything, and says what the record says."""

import re
from pathlib import Path

from training.checkpoint import Run
from training.data import Splits
from training.report import CARD_FILE, REPORT_FILE, render_report, write_report


def test_every_finished_run_has_a_report_and_a_card(trained_run: Run) -> None:
    """With its accuracy in both."""
    accuracy = f"{trained_run.record.metrics['test'].accuracy:.2%}"
    for file in (REPORT_FILE, CARD_FILE):
        assert accuracy in (trained_run.directory / file).read_text(encoding="utf-8")


def test_the_report_needs_no_other_file(trained_run: Run) -> None:
    """No address but data URLs, no script."""
    text = (trained_run.directory / REPORT_FILE).read_text(encoding="utf-8")
    assert set(re.findall(r'(?:src|href)="(.{5})', text)) == {"data:"}
    assert "<script" not in text
    assert "http" not in text
    assert "nan" not in text.lower().replace("finance", "")


def test_it_shows_curves_calibration_labels_and_mistakes(trained_run: Run) -> None:
    """Two curves, two reliability diagrams, a row for each label, pictures of what went wrong."""
    text = (trained_run.directory / REPORT_FILE).read_text(encoding="utf-8")
    assert text.count("<svg") == 4
    assert text.count("<figure>") == 24
    assert all(text.count(f"<th scope=row>{label}</th>") == 2 for label in trained_run.record.labels)


def test_a_run_without_epochs_has_a_report_too(trained_run: Run, splits: Splits, tmp_path: Path) -> None:
    """A head that was trained alone."""
    quality = write_report(trained_run, splits.test)
    (trained_run.directory / "metrics.jsonl").rename(tmp_path / "kept")
    try:
        assert "The head alone was trained" in render_report(trained_run, splits.test, quality)
    finally:
        (tmp_path / "kept").rename(trained_run.directory / "metrics.jsonl")
