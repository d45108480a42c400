"""What TensorBoard is given is what metrics.jsonl holds."""

import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]  # has no types
    EventAccumulator,
)

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training.checkpoint import EVENTS_DIRECTORY, METRICS_FILE
from training.config import Recipe
from training.errors import PackageMissing
from training.events import Events
from training.fit import fit


def test_every_epoch_is_a_point_of_every_figure(recipe: Recipe, tmp_path: Path) -> None:
    """Where that is asked for; a run that is trained anew leaves no points of the old one."""
    for _ in range(2):
        fit(
            recipe,
            seed=0,
            output=tmp_path / "run",
            data_directory=SAMPLE_DIRECTORY,
            device=torch.device("cpu"),
            progress=SilentProgress(),
            force=True,
            events=True,
        )
    points = EventAccumulator(str(tmp_path / "run" / EVENTS_DIRECTORY))
    points.Reload()
    assert {"training/loss", "training/learning_rate", "validation/accuracy"} <= set(points.Tags()["scalars"])
    assert [point.step for point in points.Scalars("validation/accuracy")] == [1, 2]
    assert (tmp_path / "run" / METRICS_FILE).is_file()


def test_without_the_package_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And that the figures are written anyway."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(PackageMissing, match=r"pip install .*tensorboard.*metrics\.jsonl"):
        Events(tmp_path, first_epoch=1)
