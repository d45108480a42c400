"""The sample of Fashion-MNIST, a recipe for it, one run that was trained with it, and the command as users call it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from training.__main__ import main
from training.checkpoint import Run
from training.config import DataConfig, Recipe
from training.data import Dataset, Splits, load, split
from training.fit import fit
from training.loop import EpochResult
from training.metrics import Metrics
from training.recipes import fashion_cnn
from training.record import Hardware

SAMPLE_DIRECTORY = Path(__file__).parents[1] / "data" / "fashion-mnist-sample"


torch.set_num_threads(1)  # the pictures are few, and on a busy machine two threads wait for each other


class SilentProgress:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.steps = 0
        self.epochs: list[int] = []
        self.notes: list[str] = []
        self.resumed_at: list[int] = []

    def begin(self, recipe: Recipe, splits: Splits, hardware: Hardware) -> None:
        self.expected_steps = recipe.epochs * recipe.steps_per_epoch(len(splits.train))

    def step(self) -> None:
        self.steps += 1

    def epoch(self, result: EpochResult, validation: Metrics) -> None:
        self.epochs.append(result.epoch)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def resumed(self, epoch: int, seconds: float) -> None:
        self.resumed_at.append(epoch)


@pytest.fixture(scope="session")
def sample_directory() -> Path:
    return SAMPLE_DIRECTORY


@pytest.fixture(scope="session")
def sample() -> Dataset:
    return load("fashion-mnist-sample", SAMPLE_DIRECTORY)


@pytest.fixture(scope="session")
def splits(sample: Dataset) -> Splits:
    return split(sample, seed=0)


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    """fashion_cnn for the sample, two epochs."""
    chosen = fashion_cnn()
    return replace(chosen, data=DataConfig(name="fashion-mnist-sample"), epochs=2)


@pytest.fixture(scope="session")
def trained_run(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run; tests that damage it copy its directory first."""
    return fit(
        recipe,
        seed=0,
        output=tmp_path_factory.mktemp("runs") / "trained",
        data_directory=SAMPLE_DIRECTORY,
        device=torch.device("cpu"),
        progress=SilentProgress(),
    ).run


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Result]


@pytest.fixture
def recognition_train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """The command in this process, in an empty working directory; torch is imported once for all tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # set by the command; taken back after the test

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["recognition-train", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return call
