"""The run directory: written as training goes on, read back by evaluation and export.

run.json             the record (training/record.py); its status is "finished" only when everything else is in place
model.safetensors    the weights
predictions.npz      validation_logits, validation_labels, test_logits, test_labels, as the weights produced them
metrics.jsonl        one line for each epoch
resume.pt            while it is unfinished: where to go on from (training/resume.py)
events/              the lines of metrics.jsonl for TensorBoard, where that was asked for (training/events.py)
report.html, card.md for people (training/report.py)
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from training.data import Splits, load, split
from training.errors import DataDamaged, RunConflict, RunUnreadable
from training.models import Classifier, build
from training.record import RunRecord

RECORD_FILE = "run.json"
WEIGHTS_FILE = "model.safetensors"
PREDICTIONS_FILE = "predictions.npz"
METRICS_FILE = "metrics.jsonl"
EVENTS_DIRECTORY = "events"
OTHER_FILES = ("resume.pt", "report.html", "card.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run on disk."""

    directory: Path
    record: RunRecord
    digest: str
    """SHA-256 of the record's bytes, which hold the digests of the other files"""

    @classmethod
    def load(cls, directory: Path) -> "Run":
        """Reads the record and checks the files against it. Raises RunUnreadable for an unfinished or damaged run."""
        content = _read(directory / RECORD_FILE)
        try:
            record = RunRecord.from_bytes(content)
        except RunUnreadable as error:
            raise RunUnreadable(f"{directory / RECORD_FILE} cannot be read: {error}") from error
        if record.status != "finished":
            raise RunUnreadable(
                f"{directory} is an unfinished run ({record.epochs} of {record.recipe.epochs} epochs); "
                "the command that began it goes on with it"
            )
        run = cls(directory=directory, record=record, digest=hashlib.sha256(content).hexdigest())
        for file in (WEIGHTS_FILE, PREDICTIONS_FILE):
            run._verified(file)
        run._check_labels()
        return run

    def build_model(self) -> Classifier:
        """The trained model on the CPU, in evaluation mode."""
        model = build(self.record.model.name, self.record.model.arguments)
        try:
            model.load_state_dict(load_tensors(self._verified(WEIGHTS_FILE)))
        except (SafetensorError, RuntimeError) as error:
            raise RunUnreadable(
                f"{self.directory / WEIGHTS_FILE} does not fit {self.record.model.name}, which {RECORD_FILE} names: "
                f"{' '.join(str(error).split())[:200]}"
            ) from error
        return model.eval()

    def predictions(self, split_name: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Logits (N, labels) and true labels (N,) of "validation" or "test"."""
        with np.load(BytesIO(self._verified(PREDICTIONS_FILE)), allow_pickle=False) as arrays:
            return arrays[f"{split_name}_logits"], arrays[f"{split_name}_labels"]

    def load_splits(self, directory: Path | None = None) -> Splits:
        """The very images that the run trained on, chose by and was tested with. Raises DataDamaged for other data."""
        data = self.record.data
        dataset = load(data.name, directory, self.record.preprocessing)
        if dataset.sha256 != data.sha256:
            raise DataDamaged(
                f"{dataset.directory} is not what {self.directory} was trained on (digest {dataset.sha256}, recorded "
                f"{data.sha256}); name that with --data, or test on other pictures with `evaluate --dataset`"
            )
        return split(dataset, seed=data.split_seed, validation_share=data.validation_share, limit=data.limit)

    def _check_labels(self) -> None:
        """Each class has one label, and no two have the same."""
        labels = self.record.labels
        with np.load(BytesIO(self._verified(PREDICTIONS_FILE)), allow_pickle=False) as arrays:
            classes = arrays["test_logits"].shape[1]
        repeated = sorted({label for label in labels if labels.count(label) > 1})
        if len(labels) == classes and not repeated:
            return
        fault = f"{repeated[0]!r} is there more than once" if repeated else f"{len(labels)} for {classes} classes"
        raise RunUnreadable(
            f"{self.directory / RECORD_FILE} cannot be read: labels: {fault}; train the run anew "
            "by the command that made it, with --force"
        )

    def _verified(self, file: str) -> bytes:
        content = _read(self.directory / file)
        found, expected = hashlib.sha256(content).hexdigest(), self.record.files.get(file)
        if found != expected:
            raise RunUnreadable(
                f"{self.directory / file} is damaged: SHA-256 {found}, recorded {expected}; train the run anew "
                "by the command that made it, with --force"
            )
        return content


def read_record(directory: Path) -> RunRecord | None:
    """The record of a run in any state, or None where there is no run."""
    path = directory / RECORD_FILE
    if not path.is_file():
        return None
    try:
        return RunRecord.from_bytes(_read(path))
    except RunUnreadable as error:
        raise RunUnreadable(f"{path} cannot be read: {error}; remove it, or pass --force to train anew") from error


def write_record(directory: Path, record: RunRecord) -> None:
    _write(directory / RECORD_FILE, record.to_bytes())


def begin(directory: Path, record: RunRecord) -> None:
    """Makes room for a new run: the files of an earlier one go. Raises RunConflict where there is something else."""
    is_run = (directory / RECORD_FILE).is_file()
    if directory.exists() and not is_run and (not directory.is_dir() or any(directory.iterdir())):
        raise RunConflict(f"{directory} exists and is not a run; choose another --output")
    directory.mkdir(parents=True, exist_ok=True)
    write_record(directory, record)
    for file in (WEIGHTS_FILE, PREDICTIONS_FILE, METRICS_FILE, *OTHER_FILES):
        (directory / file).unlink(missing_ok=True)
    shutil.rmtree(directory / EVENTS_DIRECTORY, ignore_errors=True)


def finish(directory: Path, record: RunRecord, model: Classifier, predictions: Mapping[str, NDArray[Any]]) -> Run:
    """Writes weights and predictions, then the record that makes the run count as finished."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **predictions)
    contents = {WEIGHTS_FILE: save_tensors(tensors), PREDICTIONS_FILE: buffer.getvalue()}
    for file, content in contents.items():
        _write(directory / file, content)
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    write_record(directory, replace(record, status="finished", files=digests))
    return Run.load(directory)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise RunUnreadable(
            f"{path} does not exist; `recognition-train fit RECIPE --output {path.parent}` makes a run"
        ) from None
    except OSError as error:
        raise RunUnreadable(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    """All or nothing: written beside its place, then renamed into it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
