"""Summaries over all parts."""

import json
from pathlib import Path

import pytest

from batch.job import Job, JobSettings
from batch.kinds import Format
from batch.plan import Question
from batch.store import FolderStore
from tests.batch.conftest import console_of_nobody, write_names
from tests.batch.fake_engine import FakeEngine


@pytest.mark.parametrize("kind", Format)
def test_counts_confidence_and_doubt(tmp_path: Path, kind: Format) -> None:
    """Twenty pictures, each digit twice, and one that is none."""
    source = write_names(tmp_path / "in", [f"{number:02d}.png" for number in range(20)] + ["20x.png"])
    store = FolderStore(tmp_path / "out")
    settings = JobSettings(source=str(source), question=Question(top_k=2), shard_size=6, format=kind)
    summary = Job(settings, FakeEngine(), store, console_of_nobody()).run().summary
    assert summary is not None
    assert (summary.images, summary.errors, summary.unknown) == (21, 1, 2)
    assert summary.labels == {str(digit): 2 for digit in range(10)}
    assert summary.reasons == {"IMAGE_UNREADABLE": 1}
    assert summary.mean_confidence == pytest.approx(0.5 + 4.5 / 20, abs=1e-6)
    assert [doubtful.id for doubtful in summary.least_certain[:3]] == ["00.png", "10.png", "01.png"]
    assert json.loads(store.read("_summary.json"))["labels"] == summary.labels
    text = "\n".join(summary.lines())
    assert "21 images by digits version 3" in text
    assert "no answer: IMAGE_UNREADABLE" in text
