"""The command as a user runs it (training/__main__.py): once in a process of its own, else in this one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.training.conftest import Command
from training.checkpoint import Run


def process(*arguments: str | Path, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "training", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


@pytest.mark.parametrize("command", ["fit", "finetune", "evaluate", "compare", "rate", "describe", "recipes", "data"])
def test_every_command_has_help_with_an_example(command: str, recognition_train: Command) -> None:
    """On the standard output."""
    result = recognition_train(command, "--help")
    assert result.returncode == 0
    assert f"Example: recognition-train {command}" in result.stdout


def test_help_does_not_wait_for_torch() -> None:
    """Nor does the error for a name that is not known."""
    script = (
        "import sys; from training.__main__ import main; sys.argv[1:] = {arguments}\n"
        "try: main()\n"
        "except SystemExit: sys.exit('torch' in sys.modules)"
    )
    for arguments in (["--help"], ["fit", "--help"], ["fit", "nothing"], ["recipes"]):
        command = [sys.executable, "-c", script.format(arguments=arguments)]
        result = subprocess.run(command, cwd=Path(__file__).parents[2], check=False, capture_output=True)
        assert result.returncode == 0, arguments


def test_fit_leaves_a_run_that_evaluate_confirms(
    sample_directory: Path, tmp_path: Path, recognition_train: Command
) -> None:
    """In the default place; the accuracy from the weights is the recorded one."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--epochs", "2", "--threads", "1")
    result = process("fit", "fashion_cnn", *options, "--seed", "3", directory=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "epoch 2/2" in result.stderr
    run = Run.load(tmp_path / "var" / "runs" / "fashion_cnn-seed3")
    recorded = run.record.metrics["test"].accuracy
    assert f"test: accuracy {recorded:.2%}" in result.stdout
    evaluated = recognition_train("evaluate", run.directory, "--data", sample_directory, "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["metrics"]["accuracy"] == pytest.approx(recorded, abs=1e-12)


def test_fitting_again_does_nothing_and_says_so(
    trained_run: Run, sample_directory: Path, recognition_train: Command
) -> None:
    """With --json the record is on the standard output, and nothing else is."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--epochs", "2")
    result = recognition_train("fit", "fashion_cnn", *options, "--output", trained_run.directory, "--json")
    assert result.returncode == 0, result.stderr
    assert "holds this run already" in result.stderr
    assert json.loads(result.stdout)["digest"] == trained_run.digest


def test_describe_counts_the_courses_cnn(recognition_train: Command) -> None:
    """As a table, and as JSON for programs."""
    assert "(28 - 5 + 2*2)/1 + 1 = 28" in recognition_train("describe", "fashion_cnn").stdout
    plain = json.loads(recognition_train("describe", "fashion_cnn", "--json").stdout)
    assert (plain["name"], plain["input"]) == ("fashion_cnn", [1, 28, 28])
    assert (plain["parameters"], plain["macs"]) == (29_034, 2_838_080)
    assert plain["layers"][0] == {
        "name": "conv1",
        "kind": "Conv2d",
        "output": [16, 28, 28],
        "formula": "(28 - 5 + 2*2)/1 + 1 = 28",
        "note": "",
        "parameters": 416,
        "macs": 313_600,
        "receptive_field": [5, 5],
    }


def test_describe_takes_the_shape_of_the_pictures(recognition_train: Command) -> None:
    """AlexNet at 224 pixels: the size that is not whole is explained; a shape that makes no sense is refused."""
    text = recognition_train("describe", "alexnet_2012", "--input", "3x224x224").stdout
    assert "54.25 -> 54" in text
    assert "not whole" in text
    assert "227 would fit" in " ".join(text.split())
    refused = recognition_train("describe", "alexnet", "--input", "224")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "such as 3x224x224" in refused.stderr


def test_recipes_are_listed(recognition_train: Command) -> None:
    """As a table, and whole as JSON."""
    assert "fashion_cnn" in recognition_train("recipes").stdout
    plain = json.loads(recognition_train("recipes", "--json").stdout)
    assert plain["fashion_cnn"]["epochs"] >= 1


def test_data_says_where_the_data_set_is(sample_directory: Path, recognition_train: Command) -> None:
    """After it was checked."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample")
    assert str(sample_directory) in recognition_train("data", *options).stdout
    plain = json.loads(recognition_train("data", *options, "--json").stdout)
    assert plain["images"] == {"train": 600, "test": 300}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("fit", "resnet"), 2, "no recipe named resnet; the recipes are: alexnet"),
        (("fit", "fashion_cnn", "--data", "nowhere"), 1, "nowhere does not hold the data set"),
        (("fit", "fashion_cnn", "--epochs", "0"), 2, "--epochs"),
        (("describe", "alexnet", "--input", "3x²x²"), 2, "such as 3x224x224"),
        (("fit", "fashion_cnn", "--seed", str(2**63)), 2, "--seed"),
        (("describe", "alexnet", "--input", "1x8x8"), 2, "256x1x1 is too small for its layer body.12"),
        (("describe", "resnet"), 2, "no model named resnet; the models are: alexnet"),
        (("evaluate", "nowhere"), 1, "does not exist; `recognition-train fit RECIPE --output nowhere` makes a run"),
        (("data", "--dataset", "imagenet"), 2, "no data set named imagenet"),
        (("train",), 2, "train"),
        (("evaluate",), 2, "RUN"),
    ],
)
def test_an_error_is_one_line_that_names_what_to_do(
    arguments: tuple[str, ...], code: int, words: str, recognition_train: Command
) -> None:
    """2 for wrong use, 1 for what failed; never a traceback, never anything on the standard output."""
    result = recognition_train(*arguments)
    assert result.returncode == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_an_output_that_cannot_be_written_is_named(
    sample_directory: Path, tmp_path: Path, recognition_train: Command
) -> None:
    """The operating system's words with the path."""
    (tmp_path / "file").touch()
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--output", tmp_path / "file" / "run")
    result = recognition_train("fit", "fashion_cnn", *options)
    assert result.returncode == 1
    assert f"error: {tmp_path / 'file' / 'run'}: Not a directory" in result.stderr


def test_a_learning_rate_is_suggested(sample_directory: Path, recognition_train: Command) -> None:
    """With the curve that it comes from."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--threads", "1", "--steps", "30")
    result = recognition_train("rate", "fashion_cnn", *options, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["suggestion"] in found["rates"]
    assert len(found["rates"]) == len(found["losses"]) > 10


def test_a_learning_rate_is_suggested_for_as_many_classes_as_a_folder_has(
    tmp_path: Path, recognition_train: Command
) -> None:
    """More than the recipe's own data set has."""
    for number in range(12):
        (tmp_path / "data" / f"class{number:02}").mkdir(parents=True)
        for shade in range(6):
            Image.new("L", (28, 28), 20 * number + shade).save(tmp_path / "data" / f"class{number:02}" / f"{shade}.png")
    options = ("--data", tmp_path / "data", "--dataset", "folder", "--threads", "1", "--steps", "10", "--json")
    result = recognition_train("rate", "fashion_cnn", *options)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["losses"]
