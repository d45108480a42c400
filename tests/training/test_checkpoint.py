"""A run on disk is whole and unchanged, or it is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training import checkpoint
from training.checkpoint import Run
from training.data import Splits
from training.errors import DataDamaged, RunConflict, RunUnreadable
from training.evaluate import as_tensor, normalise, predict
from training.models import build


@pytest.fixture
def directory(trained_run: Run, tmp_path: Path) -> Path:
    """A copy of the trained run that a test may damage."""
    return Path(shutil.copytree(trained_run.directory, tmp_path / "run"))


def test_the_weights_survive_the_round_trip(directory: Path, trained_run: Run, splits: Splits) -> None:
    """The model that is built from the run gives the logits that training wrote down."""
    model = Run.load(directory).build_model()
    assert not model.training
    logits, labels = trained_run.predictions("test")
    again = predict(model, splits.test, trained_run.record.preprocessing)
    assert np.allclose(again.logits, logits, atol=1e-5)
    assert np.array_equal(labels, splits.test.labels)


def test_a_finished_run_holds_what_was_given_to_it(directory: Path, trained_run: Run, tmp_path: Path) -> None:
    """Every tensor, bit for bit, counters of batch normalisation included."""
    model = build("fashion_cnn").to(memory_format=torch.channels_last)
    model(normalise(as_tensor(np.full((4, 28, 28, 1), 7, dtype=np.uint8)), trained_run.record.preprocessing))
    target = tmp_path / "other"
    record = replace(trained_run.record, status="running", files={})
    checkpoint.begin(target, record)
    run = checkpoint.finish(target, record, model, {"test_logits": np.zeros((1, 10), dtype=np.float32)})
    loaded = run.build_model().state_dict()
    assert loaded["norm1.num_batches_tracked"] == 1
    assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())


def test_the_digest_of_a_run_changes_with_its_record(directory: Path, trained_run: Run) -> None:
    """And covers the other files through theirs."""
    assert Run.load(directory).digest == trained_run.digest
    checkpoint.write_record(directory, replace(trained_run.record, seed=5))
    assert Run.load(directory).digest != trained_run.digest


@pytest.mark.parametrize("file", [checkpoint.WEIGHTS_FILE, checkpoint.PREDICTIONS_FILE])
def test_one_flipped_bit_is_refused_with_both_digests(directory: Path, trained_run: Run, file: str) -> None:
    """The error names the file and what to do."""
    content = bytearray((directory / file).read_bytes())
    content[-1] ^= 1
    (directory / file).write_bytes(content)
    expected = trained_run.record.files[file]
    with pytest.raises(RunUnreadable, match=rf"{file} is damaged: SHA-256 \w+, recorded {expected}; .*--force"):
        Run.load(directory)


def test_a_missing_file_is_named(directory: Path) -> None:
    """With the command that makes a run."""
    (directory / checkpoint.WEIGHTS_FILE).unlink()
    with pytest.raises(RunUnreadable, match=r"model\.safetensors does not exist; `recognition-train fit"):
        Run.load(directory)


def test_weights_of_another_model_are_refused(directory: Path, trained_run: Run) -> None:
    """Even when the digests are right."""
    changed = replace(trained_run.record.model, arguments={"channels": 1, "classes": 4})
    checkpoint.write_record(directory, replace(trained_run.record, model=changed))
    with pytest.raises(RunUnreadable, match=r"does not fit fashion_cnn, which run\.json names") as refusal:
        Run.load(directory).build_model()
    assert "\n" not in str(refusal.value)


def test_an_unfinished_run_is_refused_with_how_far_it_came(directory: Path, trained_run: Run) -> None:
    """And the command that trains it."""
    checkpoint.write_record(directory, replace(trained_run.record, status="running", epochs=1))
    with pytest.raises(RunUnreadable, match=r"unfinished run \(1 of 2 epochs\); the command that began it"):
        Run.load(directory)


def test_a_damaged_record_is_refused_by_field(directory: Path) -> None:
    """Half a file, or a hand that slipped."""
    record = directory / checkpoint.RECORD_FILE
    record.write_text(record.read_text().replace('"seed": 0', '"seed": "zero"'))
    with pytest.raises(RunUnreadable, match=r"run\.json cannot be read: seed: expected int, found 'zero'"):
        Run.load(directory)


def test_the_splits_of_a_run_are_the_ones_it_was_trained_on(
    trained_run: Run, splits: Splits, sample_directory: Path
) -> None:
    """The same seed, the same images."""
    again = trained_run.load_splits(sample_directory)
    assert again.sizes == trained_run.record.data.splits
    assert np.array_equal(again.validation.pixels, splits.validation.pixels)


def test_other_data_than_the_runs_is_refused(trained_run: Run, sample_directory: Path) -> None:
    """A figure on other images would be compared with the recorded one."""
    record = replace(trained_run.record, data=replace(trained_run.record.data, sha256="0" * 64))
    with pytest.raises(DataDamaged, match=r"trained on \(digest \w+, recorded 000.*; name that with --data"):
        replace(trained_run, record=record).load_splits(sample_directory)


def test_a_new_run_clears_the_files_of_the_one_before(directory: Path, trained_run: Run) -> None:
    """Weights of an earlier run must not stand beside a new record."""
    checkpoint.begin(directory, replace(trained_run.record, status="running"))
    assert [path.name for path in directory.iterdir()] == [checkpoint.RECORD_FILE]


def test_a_directory_that_is_no_run_is_left_alone(tmp_path: Path, trained_run: Run) -> None:
    """Nobody loses files to a mistyped --output."""
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(RunConflict, match="exists and is not a run"):
        checkpoint.begin(tmp_path, trained_run.record)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda labels: labels[:-1], "labels: 9 for 10 classes"),
        (lambda labels: (*labels[:-1], labels[0]), "is there more than once"),
    ],
)
def test_labels_that_do_not_fit_the_classes_are_refused(
    directory: Path, change: Callable[[tuple[str, ...]], tuple[str, ...]], fault: str
) -> None:
    """One too few, or one of them twice."""
    record = checkpoint.read_record(directory)
    assert record is not None
    checkpoint.write_record(directory, replace(record, labels=change(record.labels)))
    with pytest.raises(RunUnreadable, match=f"run.json cannot be read: .*{fault}"):
        Run.load(directory)
