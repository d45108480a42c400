"""The file from which an interrupted run goes on, `resume.pt`: written every while, gone when the run is finished.

It is the only file of a run in torch's own format, and it is read with weights_only, which runs no code out of it.
"""

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from training.errors import RunUnreadable
from training.loop import Trainer

FILE = "resume.pt"


@dataclass(kw_only=True)
class Best:
    """The weights with the best validation accuracy so far, kept when a recipe may stop early."""

    accuracy: float = -1.0
    epoch: int = 0
    weights: dict[str, Any] = field(default_factory=dict)

    def offer(self, accuracy: float, epoch: int, trainer: Trainer) -> None:
        if accuracy > self.accuracy:
            self.accuracy, self.epoch = accuracy, epoch
            self.weights = {name: tensor.detach().clone() for name, tensor in trainer.model.state_dict().items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Time that a run has taken so far, over all its processes."""

    seconds: float
    cpu_seconds: float


class ResumeFile:
    """Writes the state of a trainer when the last one is older than `every_seconds`."""

    def __init__(self, directory: Path, *, key: str, every_seconds: float) -> None:
        self._path = directory / FILE
        self._key = key
        self._every_seconds = every_seconds
        self._written = time.monotonic()

    @property
    def exists(self) -> bool:
        """Whether this very run was interrupted here. Raises RunUnreadable for a damaged file."""
        return self._path.is_file() and self._read()["key"] == self._key

    def save_if_due(self, trainer: Trainer, best: Best, spent: Spent) -> None:
        if time.monotonic() - self._written >= self._every_seconds:
            self.save(trainer, best, spent)

    def save(self, trainer: Trainer, best: Best, spent: Spent) -> None:
        """All or nothing: written beside its place, then renamed into it."""
        content = {
            "key": self._key,
            "trainer": trainer.state(),
            "best": {"accuracy": best.accuracy, "epoch": best.epoch, "weights": best.weights},
            "seconds": spent.seconds,
            "cpu_seconds": spent.cpu_seconds,
        }
        temporary = self._path.with_name(f".{FILE}.{os.getpid()}")
        torch.save(content, temporary)
        temporary.replace(self._path)
        self._written = time.monotonic()

    def load(self, trainer: Trainer, best: Best) -> Spent | None:
        """Puts the trainer where it was and returns the time that was spent; None where there is nothing to go on
        from. A file of another run counts as nothing. Raises RunUnreadable for a damaged one.
        """
        if not self.exists:
            return None
        content = self._read()
        trainer.restore(content["trainer"])
        best.accuracy, best.epoch = content["best"]["accuracy"], content["best"]["epoch"]
        best.weights = content["best"]["weights"]
        return Spent(seconds=float(content["seconds"]), cpu_seconds=float(content["cpu_seconds"]))

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = torch.load(self._path, weights_only=True, map_location="cpu")
        except (RuntimeError, UnpicklingError, EOFError, OSError) as error:
            raise RunUnreadable(
                f"{self._path} is damaged ({type(error).__name__}); remove it to train from the beginning"
            ) from error
        return content

    def remove(self) -> None:
        """With what was left half written where a process was killed."""
        for file in (self._path, *self._path.parent.glob(f".{FILE}.*")):
            file.unlink(missing_ok=True)


def run_key(*parts: str) -> str:
    """Of a recipe, a seed, a data set and the arithmetic: whatever must be the same for a run to go on."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
