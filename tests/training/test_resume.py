"""A run that was killed ends like one that was not, bit for bit."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training import checkpoint
from training.checkpoint import Run
from training.config import Augmentation, DataConfig, Recipe
from training.data import Splits
from training.errors import RunUnreadable
from training.finetune import finetune_recipe
from training.fit import fit
from training.loop import Trainer
from training.models import build
from training.resume import FILE, Best, ResumeFile, Spent, run_key
from training.weights import from_run


class Killed(Exception):
    pass


class KillingProgress(SilentProgress):
    """Stops the run after so many steps, as a power cut would."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def step(self) -> None:
        super().step()
        self._left -= 1
        if self._left == 0:
            raise Killed


@pytest.fixture
def thorough(recipe: Recipe) -> Recipe:
    """Everything that has a state: augmentation of all kinds, an average, a schedule, early stopping."""
    return replace(
        recipe,
        augmentation=Augmentation(flip=True, shift=1, cutout=6, random_erasing=0.3, mixup=0.4, cutmix=0.4),
        optimization=replace(recipe.optimization, ema_decay=0.9, clip_norm=1.0),
        epochs=3,
        patience=5,
    )


def run_sample(recipe: Recipe, output: Path, progress: SilentProgress, *, save_every_seconds: float = 0) -> Run:
    return fit(
        recipe,
        seed=0,
        output=output,
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=progress,
        save_every_seconds=save_every_seconds,
    ).run


def losses(run: Run) -> list[float]:
    lines = (run.directory / checkpoint.METRICS_FILE).read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(thorough: Recipe, tmp_path: Path) -> None:
    """In the first epoch, in the middle of the second epoch, at the last step of an epoch (5 steps each)."""
    whole = run_sample(thorough, tmp_path / "whole", SilentProgress())
    for killed_after in (2, 7, 10):
        directory = tmp_path / f"killed after {killed_after}"
        with pytest.raises(Killed):
            run_sample(thorough, directory, KillingProgress(killed_after))
        again = SilentProgress()
        resumed = run_sample(thorough, directory, again)
        assert again.resumed_at == [(killed_after - 1) // 5]
        assert again.steps == 15 - (killed_after - 1)  # the step that was cut short had not been saved yet
        assert resumed.record.files == whole.record.files
        assert losses(resumed) == losses(whole)
        assert not (directory / FILE).exists()


def test_fine_tuning_goes_on_where_it_was_cut_off(trained_run: Run, tmp_path: Path) -> None:
    """With the head as it was, and the stages frozen that were: in each epoch before all are free, and after."""
    weights = from_run(trained_run.directory)
    recipe = finetune_recipe(weights, data=DataConfig(name="fashion-mnist-sample", limit=80), classes=10, epochs=4)

    def tune(output: Path, progress: SilentProgress) -> Run:
        return fit(
            recipe, seed=0, output=output, data_directory=SAMPLE_DIRECTORY, device=torch.device("cpu"),
            progress=progress, weights=weights, save_every_seconds=0,
        ).run  # fmt: skip

    whole = tune(tmp_path / "whole", SilentProgress())
    for killed_after in (2, 5, 8, 11):  # three steps an epoch
        with pytest.raises(Killed):
            tune(tmp_path / str(killed_after), KillingProgress(killed_after))
        again = SilentProgress()
        assert tune(tmp_path / str(killed_after), again).record.files == whole.record.files
        assert again.resumed_at == [(killed_after - 1) // 3]
        assert not any("the new head knows" in note for note in again.notes)


def test_kill_9_in_the_middle_of_an_epoch(recipe: Recipe, tmp_path: Path) -> None:
    """The command in a process of its own, killed without a chance to clean up."""
    epochs = 8
    command = [
        *(sys.executable, "-m", "training", "fit", "fashion_cnn", "--data", str(SAMPLE_DIRECTORY), "--threads", "1"),
        *("--dataset", "fashion-mnist-sample", "--epochs", str(epochs), "--save-every", "0"),
    ]
    process = subprocess.Popen(
        [*command, "--output", str(tmp_path / "killed")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    metrics = tmp_path / "killed" / checkpoint.METRICS_FILE
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.is_file() and len(metrics.read_text().splitlines()) > 1):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert (tmp_path / "killed" / FILE).is_file()
    progress = SilentProgress()
    longer = replace(recipe, epochs=epochs)
    killed = run_sample(longer, tmp_path / "killed", progress, save_every_seconds=60)
    whole = run_sample(longer, tmp_path / "whole", SilentProgress(), save_every_seconds=60)
    assert 0 < progress.steps < progress.expected_steps
    assert killed.record.files == whole.record.files


def test_a_damaged_file_is_refused_and_another_runs_file_is_nothing(
    recipe: Recipe, splits: Splits, tmp_path: Path
) -> None:
    """It says what to remove."""
    trainer = Trainer(build("fashion_cnn"), splits.train, recipe, seed=0)
    file = ResumeFile(tmp_path, key=run_key("a"), every_seconds=0)
    assert not file.exists
    file.save(trainer, Best(), Spent(seconds=3.0, cpu_seconds=5.0))
    assert file.load(trainer, Best()) == Spent(seconds=3.0, cpu_seconds=5.0)
    assert ResumeFile(tmp_path, key=run_key("b"), every_seconds=0).load(trainer, Best()) is None
    (tmp_path / f".{FILE}.123").touch()  # of a process that was killed while it wrote
    file.remove()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / FILE).write_bytes(b"PK\x03\x04 not a file of torch's")
    with pytest.raises(RunUnreadable, match=r"resume\.pt is damaged .*remove it"):
        file.load(trainer, Best())
