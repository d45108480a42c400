"""Two processes train like one with the same batch."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training import checkpoint
from training.checkpoint import Run
from training.data import Splits
from training.distributed import Group, join
from training.errors import RecipeInvalid
from training.fit import fit
from training.loop import Trainer
from training.models import build
from training.recipes import find_recipe


def test_a_process_alone_is_a_group_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent anywhere."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    group, device = join(torch.device("cpu"))
    assert (group, device.type) == (Group(rank=0, size=1), "cpu")
    assert float(group.sum(torch.tensor(3.0))) == 3


def test_a_batch_is_shared_without_gaps_or_overlaps() -> None:
    """Uneven shares are allowed."""
    shares = [Group(rank=rank, size=3).share(10).tolist() for rank in range(3)]
    assert sorted(position for share in shares for position in share) == list(range(10))
    with pytest.raises(RecipeInvalid, match="2 images cannot be shared by 3"):
        Group(rank=0, size=3).check_batch(2)


class Alone(Group):
    """One of several that hears nothing from the others."""

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        pass

    def sum(self, value: torch.Tensor) -> torch.Tensor:
        return value

    def share_order(self, order: torch.Tensor) -> torch.Tensor:
        return order

    def share_buffers(self, model: nn.Module) -> None:
        pass


def test_a_last_batch_smaller_than_the_group_counts_each_image_once(splits: Splits) -> None:
    """A process that has no image left computes one for nothing; the losses add up to those of one process."""
    recipe = replace(find_recipe("lenet5_quick"), batch_size=4, epochs=1)
    still = replace(recipe, optimization=replace(recipe.optimization, learning_rate=1e-9))  # all see the same weights
    few = splits.train.take(np.arange(6))  # a batch of four, then one of two images
    totals: list[float] = []
    apart: list[Group] = [Alone(rank=rank, size=3) for rank in range(3)]
    for groups in ([Group()], apart):
        seen: list[float] = []
        for group in groups:
            torch.manual_seed(0)
            trainer = Trainer(build("lenet5"), few, still, seed=0, group=group)
            seen.append(trainer.run_epoch().loss)
        totals.append(sum(seen))
    assert totals[0] == pytest.approx(totals[1], rel=1e-5)


class Follower(Alone):
    """Hears of the first process that it drew the pictures as they lie."""

    def share_order(self, order: torch.Tensor) -> torch.Tensor:
        return torch.arange(len(order))


def test_all_go_by_the_order_of_the_first(splits: Splits) -> None:
    """Whatever a process drew itself."""
    recipe = replace(find_recipe("lenet5_quick"), batch_size=4, epochs=1)
    trainer = Trainer(build("lenet5"), splits.train.take(np.arange(8)), recipe, seed=0, group=Follower(rank=1, size=2))
    trainer.run_epoch()
    assert trainer._order.tolist() == list(range(8))


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
    recipe = find_recipe("lenet5_quick")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as two:
        try:
            fit(
                replace(recipe, data=replace(recipe.data, name="fashion-mnist-sample"), epochs=3),
                seed=0,
                output=tmp_path / "one",
                data_directory=SAMPLE_DIRECTORY,
                device=torch.device("cpu"),
                progress=SilentProgress(),
            )
            stdout, stderr = two.communicate(timeout=110)
        finally:
            two.kill()
    assert two.returncode == 0, stderr
    assert stdout.count("test: accuracy") == 1
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=2e-3)
    accuracies = [Run.load(tmp_path / name).record.metrics["test"].accuracy for name in ("one", "two")]
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.02)
