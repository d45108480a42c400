"""The command as a user runs it (training/__main__.py): once in a process of its own, else in this one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from training.__main__ import main
from training.checkpoint import Run


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


def test_finetuning_takes_the_learning_rate_that_was_asked_for(
    trained_run: Run, sample_directory: Path, tmp_path: Path, recognition_train: Command
) -> None:
    """It stands in the record; a rate of nothing is wrong use."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--limit", "60", "--epochs", "1")
    arguments = ("finetune", "--from-run", trained_run.directory, *options, "--output", tmp_path / "run")
    assert recognition_train(*arguments, "--learning-rate", "0").returncode == 2
    result = recognition_train(*arguments, "--learning-rate", "0.0123", "--threads", "1", "--json")
    assert result.returncode == 0, result.stderr
    assert Run.load(tmp_path / "run").record.recipe.optimization.learning_rate == 0.0123


def test_finetuning_from_fresh_weights_wants_epochs(tmp_path: Path, recognition_train: Command) -> None:
    """There is no head to train apart."""
    result = recognition_train("finetune", "resnet18", "--scratch", "--data", tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--epochs N" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from-run", "RUN", "--grey"), "--grey is for weights of coloured pictures"),
        (("--from-run", "RUN", "--weights", "w.pth"), "two sources of weights; name one of them"),
        (("resnet18", "--from-run", "RUN"), "is a run of fashion_cnn, not of resnet18; leave MODEL out"),
        (("resnet18", "--convention", "caffe-v1"), "says how the weights of a file were made"),
        (("resnet", "--weights", "w.pth"), "no model named resnet; the models are: alexnet"),
        (("resnet18", "--balance", "fair"), "--balance fair: choose one of none, loss, sampler"),
        (("resnet18", "--seed", str(2**63)), "--seed"),
        ((), "name a MODEL, or a run with --from-run"),
    ],
)
def test_options_of_finetuning_that_contradict_each_other_are_refused(
    arguments: tuple[str, ...], words: str, trained_run: Run, recognition_train: Command
) -> None:
    """None is left out of account in silence."""
    result = recognition_train("finetune", *(trained_run.directory if a == "RUN" else a for a in arguments))
    assert (result.returncode, result.stdout) == (2, "")
    assert words in result.stderr


def test_weights_that_do_not_fit_leave_no_run(
    trained_run: Run, sample_directory: Path, tmp_path: Path, recognition_train: Command
) -> None:
    """Which would be in the way of the next try."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--output", tmp_path / "run")
    weights = trained_run.directory / "model.safetensors"
    result = recognition_train("finetune", "resnet18", "--weights", weights, *options)
    assert result.returncode == 2
    assert "model.safetensors does not fit resnet18" in result.stderr
    assert not (tmp_path / "run").exists()


def test_finetuning_balances_stops_early_and_keeps_to_a_precision(
    trained_run: Run, sample_directory: Path, tmp_path: Path, recognition_train: Command
) -> None:
    """As `fit` does: photographs of one's own are where it matters."""
    options = ("--data", sample_directory, "--dataset", "fashion-mnist-sample", "--limit", "60", "--epochs", "1")
    chosen = ("--balance", "loss", "--patience", "3", "--precision", "bf16", "--threads", "1")
    run = tmp_path / "run"
    result = recognition_train("finetune", "--from-run", trained_run.directory, *options, *chosen, "--output", run)
    assert result.returncode == 0, result.stderr
    record = Run.load(run).record
    assert (record.recipe.data.balance, record.recipe.patience, record.hardware.precision) == ("loss", 3, "bf16")


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
