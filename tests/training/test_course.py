"""Early stopping ends a run that no longer improves, and keeps its best weights."""

from dataclasses import replace
from pathlib import Path

import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training.config import Optimization, Recipe
from training.fit import fit


def test_a_run_that_no_longer_improves_stops_with_its_best_weights(recipe: Recipe, tmp_path: Path) -> None:
    """A rate of nothing improves nothing after the first epoch, so the third is the last."""
    progress = SilentProgress()
    idle = replace(recipe, optimization=Optimization(learning_rate=1e-12), epochs=9, patience=2)
    run = fit(
        idle,
        seed=0,
        output=tmp_path / "run",
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=progress,
    ).run
    assert run.record.epochs == progress.epochs[-1] < 9
    assert any("the best of" in note for note in progress.notes)
    validation = run.record.metrics["validation"].accuracy
    lines = (run.directory / "metrics.jsonl").read_text().splitlines()
    assert f'"validation_accuracy": {validation}' in "\n".join(lines[:-2])
