"""The command `recognition-train finetune` as a user calls it."""

from pathlib import Path

import pytest

from tests.training.conftest import Command
from training.checkpoint import Run


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
