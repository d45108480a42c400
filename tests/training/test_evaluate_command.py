"""The command `recognition-train evaluate` on pictures that the run has not seen."""

import json
from pathlib import Path

from tests.training.conftest import Command
from tests.training.data.photographs import write_folder, write_photograph
from training.checkpoint import Run


def test_a_run_is_tested_on_other_pictures_with_its_labels(tmp_path: Path, recognition_train: Command) -> None:
    """All of them, where none is said to be for a test; a label that it does not know is named."""
    write_folder(tmp_path / "data")
    options = ("--dataset", "folder", "--data", tmp_path / "data", "--epochs", "2", "--threads", "1")
    assert recognition_train("fit", "fashion_cnn", *options, "--output", tmp_path / "run").returncode == 0
    for index in range(5):
        write_photograph(tmp_path / "new" / "night" / f"{index}.png", bright=False, seed=100 + index)
    write_photograph(tmp_path / "new" / "day" / "1.png", bright=True, seed=200)
    new = ("evaluate", tmp_path / "run", "--data", tmp_path / "new")
    result = recognition_train(*new, "--dataset", "folder", "--json")
    assert result.returncode == 0, result.stderr
    metrics = json.loads(result.stdout)["metrics"]
    assert [row["support"] for row in metrics["per_label"]] == [1, 5]
    assert "or test on other pictures with `evaluate --dataset`" in recognition_train(*new).stderr
    (tmp_path / "new" / "day").rename(tmp_path / "new" / "dusk")
    result = recognition_train(*new, "--dataset", "folder")
    assert (result.returncode, result.stdout) == (1, "")
    assert "has the label 'dusk', which the run does not know; it knows: day, night" in result.stderr


def test_a_label_without_pictures_is_named(tmp_path: Path, trained_run: Run, recognition_train: Command) -> None:
    """Its ratios are 0, and so the macro averages are lower than those of the labels that are there."""
    (tmp_path / "new").mkdir()
    new = ("evaluate", trained_run.directory, "--dataset", "folder", "--data", tmp_path / "new")
    assert "needs a folder of pictures for each of one or more classes" in recognition_train(*new).stderr
    write_photograph(tmp_path / "new" / "Bag" / "1.png", bright=False, seed=0)
    result = recognition_train(*new)
    assert result.returncode == 0, result.stderr
    assert "note: no picture is labelled T-shirt/top, Trouser, " in result.stderr
    assert "a label without pictures counts as 0 in the macro averages" in result.stderr
