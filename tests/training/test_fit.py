"""A recipe becomes a finished run once, and never over another run."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training import checkpoint
from training.checkpoint import Run
from training.config import Recipe
from training.device import Precision
from training.errors import RecipeInvalid, RunConflict
from training.fit import Outcome, fit


def fit_sample(recipe: Recipe, output: Path, *, seed: int = 0, force: bool = False) -> Outcome:
    """On the processor, with the sample."""
    return fit(
        recipe,
        seed=seed,
        output=output,
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=SilentProgress(),
        force=force,
    )


@pytest.fixture
def directory(trained_run: Run, tmp_path: Path) -> Path:
    """A copy of the trained run."""
    return Path(shutil.copytree(trained_run.directory, tmp_path / "run"))


def test_a_longer_run_learns_the_sample(recipe: Recipe, tmp_path: Path) -> None:
    """Far above the 10 % of guessing, after 550 pictures."""
    run = fit_sample(replace(recipe, epochs=8, batch_size=32), tmp_path / "run").run
    assert run.record.metrics["test"].accuracy > 0.6


def test_every_epoch_leaves_a_line_and_every_step_is_reported(recipe: Recipe, tmp_path: Path) -> None:
    """For curves, and for the bar."""
    progress = SilentProgress()
    fit(
        recipe,
        seed=0,
        output=tmp_path / "run",
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=progress,
    )
    lines = [json.loads(line) for line in (tmp_path / "run" / checkpoint.METRICS_FILE).read_text().splitlines()]
    assert [line["epoch"] for line in lines] == progress.epochs == [1, 2]
    assert lines[0].keys() >= {"loss", "learning_rate", "seconds", "validation_accuracy"}
    assert progress.steps == progress.expected_steps == 10


def test_the_recorded_metrics_are_those_of_the_recorded_predictions(trained_run: Run) -> None:
    """Predicted once; both are written from that."""
    for name in ("validation", "test"):
        logits, labels = trained_run.predictions(name)
        accuracy = float(np.mean(logits.argmax(axis=1) == labels))
        assert trained_run.record.metrics[name].accuracy == pytest.approx(accuracy, abs=1e-12)


def test_the_same_seed_gives_the_same_run(recipe: Recipe, tmp_path: Path, trained_run: Run) -> None:
    """Weights and predictions bit for bit; another seed gives others."""
    again = fit_sample(recipe, tmp_path / "again").run
    other = fit_sample(recipe, tmp_path / "other", seed=1).run
    assert again.record.files == trained_run.record.files
    assert other.record.files != trained_run.record.files


def test_a_finished_run_is_not_trained_again(recipe: Recipe, directory: Path, trained_run: Run) -> None:
    """Not a byte changes; --force trains anew."""
    outcome = fit_sample(recipe, directory)
    assert not outcome.trained
    assert outcome.run.digest == trained_run.digest
    assert fit_sample(recipe, directory, force=True).trained


def test_a_finished_run_without_its_report_gets_it(recipe: Recipe, directory: Path, trained_run: Run) -> None:
    """Killed after its last word on the record: the same command writes what is missing, and trains nothing."""
    for file in ("report.html", "card.md"):
        (directory / file).unlink()
    outcome = fit_sample(recipe, directory)
    assert (outcome.trained, outcome.run.digest) == (False, trained_run.digest)
    for file in ("report.html", "card.md"):
        assert (directory / file).read_text() == (trained_run.directory / file).read_text()


def test_another_precision_begins_anew_and_says_so(recipe: Recipe, directory: Path, trained_run: Run) -> None:
    """What was interrupted cannot be gone on with in another arithmetic."""
    checkpoint.write_record(directory, replace(trained_run.record, status="running", epochs=1))
    progress = SilentProgress()
    fit(
        recipe, seed=0, output=directory, data_directory=SAMPLE_DIRECTORY, device=torch.device("cpu"),
        progress=progress, precision=Precision.BF16,
    )  # fmt: skip
    assert progress.notes[0] == "begins anew: what was interrupted here was computed in fp32, not bf16"


def test_an_interrupted_run_is_trained_from_the_beginning(recipe: Recipe, directory: Path, trained_run: Run) -> None:
    """And ends like one that was never interrupted."""
    checkpoint.write_record(directory, replace(trained_run.record, status="running", epochs=1))
    (directory / checkpoint.WEIGHTS_FILE).unlink()
    outcome = fit_sample(recipe, directory)
    assert outcome.trained
    assert outcome.run.record.files == trained_run.record.files


def test_another_run_is_never_overwritten_without_force(recipe: Recipe, directory: Path) -> None:
    """The error says how the two differ."""
    with pytest.raises(RunConflict, match=r"recipe\.epochs is 2, not 3\. .*--force"):
        fit_sample(replace(recipe, epochs=3), directory)
    with pytest.raises(RunConflict, match="seed is 0, not 9"):
        fit_sample(recipe, directory, seed=9)


def test_a_trial_is_recorded_as_one(recipe: Recipe, tmp_path: Path) -> None:
    """Nobody takes a run on 100 pictures for a full one."""
    run = fit_sample(replace(recipe, epochs=1, data=replace(recipe.data, limit=100)), tmp_path / "run").run
    assert run.record.data.limit == 100
    assert run.record.data.splits["train"] == 100


def test_a_model_that_does_not_fit_the_pictures_is_refused_before_training(recipe: Recipe, tmp_path: Path) -> None:
    """Both shapes are in the error, and no directory is made."""
    colour = replace(recipe, model=replace(recipe.model, arguments={"channels": 3, "classes": 10}))
    with pytest.raises(RecipeInvalid, match="are 1 x 28 x 28, fashion_cnn takes 3 x 28 x 28"):
        fit_sample(colour, tmp_path / "run")
    assert not (tmp_path / "run").exists()
