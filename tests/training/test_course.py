"""Early stopping ends a run that no longer improves, and keeps its best weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training import checkpoint
from training.config import DataConfig, Optimization, Recipe
from training.errors import TrainingFailed
from training.fit import fit
from training.recipes import find_recipe


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


def test_weights_too_large_to_compute_with_do_not_finish_a_run(tmp_path: Path) -> None:
    """They are numbers, and so is each loss that was seen, but no logits come of what the last step made of them."""
    recipe = find_recipe("lenet5_full")
    wild = replace(
        recipe,
        data=DataConfig(name="fashion-mnist-sample", limit=500),
        optimization=replace(recipe.optimization, learning_rate=1000),
        epochs=1,
    )
    with pytest.raises(TrainingFailed, match=r"in epoch 1: the learning rate \(1000\) is too high"):
        fit(
            wild,
            seed=0,
            output=tmp_path / "run",
            data_directory=SAMPLE_DIRECTORY,
            device=torch.device("cpu"),
            progress=SilentProgress(),
        )
    record = checkpoint.read_record(tmp_path / "run")
    assert record is not None
    assert record.status == "running"
    assert not (tmp_path / "run" / checkpoint.METRICS_FILE).exists()
