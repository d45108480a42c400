"""Two processes train like one with the same batch."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training import checkpoint
from training.checkpoint import Run
from training.distributed import Group, join
from training.errors import RecipeInvalid
from training.fit import fit
from training.recipes import find_recipe


def test_a_process_alone_is_a_group_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent anywhere."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    group, device = join(torch.device("cpu"))
    assert (group, device.type) == (Group(rank=0, size=1), "cpu")
    assert float(group.sum(torch.tensor(3.0))) == 3


def test_a_batch_is_shared_without_gaps_or_overlaps() -> None:
    """Uneven shares are allowed, empty ones are not."""
    shares = [Group(rank=rank, size=3).share(10).tolist() for rank in range(3)]
    assert sorted(position for share in shares for position in share) == list(range(10))
    with pytest.raises(RecipeInvalid, match="2 images cannot be shared by 3"):
        Group(rank=0, size=3).share(2)


def losses(directory: Path) -> list[float]:
    lines = (directory / checkpoint.METRICS_FILE).read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


def test_two_gloo_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    """Through torchrun and the command itself; the model has no batch statistics, so every digit that counts agrees."""
    options = [
        *("fit", "lenet5_quick", "--data", str(SAMPLE_DIRECTORY), "--dataset", "fashion-mnist-sample"),
        *("--epochs", "3", "--threads", "1", "--device", "cpu"),
    ]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "training"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *torchrun, *options, "--output", str(tmp_path / "two")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test: accuracy") == 1
    recipe = find_recipe("lenet5_quick")
    fit(
        replace(recipe, data=replace(recipe.data, name="fashion-mnist-sample"), epochs=3),
        seed=0,
        output=tmp_path / "one",
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=SilentProgress(),
    )
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=2e-3)
    accuracies = [Run.load(tmp_path / name).record.metrics["test"].accuracy for name in ("one", "two")]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.02)
