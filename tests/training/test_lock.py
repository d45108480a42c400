"""One process trains in a directory; a second one is refused before it writes anything."""

from pathlib import Path

import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training.checkpoint import Run
from training.config import Recipe
from training.errors import RunConflict
from training.fit import fit
from training.lock import held


class Double(SilentProgress):
    """Begins the same run once more after two steps, as from another window."""

    def __init__(self, recipe: Recipe, output: Path) -> None:
        super().__init__()
        self._recipe, self._output = recipe, output

    def step(self) -> None:
        super().step()
        if self.steps == 2:
            for force in (False, True):
                with pytest.raises(RunConflict, match=r"another process is training in .*run; wait until it ends"):
                    train(self._recipe, self._output, SilentProgress(), force=force)


def train(recipe: Recipe, output: Path, progress: SilentProgress, *, force: bool = False) -> Run:
    return fit(
        recipe, seed=0, output=output, data_directory=SAMPLE_DIRECTORY, device=torch.device("cpu"), progress=progress,
        force=force,
    ).run  # fmt: skip


def test_a_second_training_is_refused_and_does_the_first_no_harm(
    recipe: Recipe, tmp_path: Path, trained_run: Run
) -> None:
    """Even with --force; afterwards the directory is free."""
    progress = Double(recipe, tmp_path / "run")
    assert train(recipe, tmp_path / "run", progress).record.files == trained_run.record.files
    assert progress.steps == progress.expected_steps
    assert train(recipe, tmp_path / "run", SilentProgress()).directory == tmp_path / "run"


def test_what_is_locked_and_not_used_leaves_nothing(tmp_path: Path) -> None:
    """An empty directory that was there before stays, and so does one that something was written to."""
    (tmp_path / "before").mkdir()
    for name in ("before", "new", "used"):
        with held(tmp_path / name, wanted=True):
            assert (tmp_path / name).is_dir()
            if name == "used":
                (tmp_path / name / "run.json").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before", "used"]


def test_a_process_that_does_not_write_needs_no_lock(tmp_path: Path) -> None:
    """Of several that train together only the first one does."""
    with held(tmp_path, wanted=True), held(tmp_path, wanted=False):
        pass
