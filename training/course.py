"""The epochs of a run with all that surrounds them: validation, early stopping, metrics.jsonl, the resume file."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from training import checkpoint
from training.config import Recipe
from training.data import Splits
from training.distributed import Group
from training.evaluate import predict
from training.loop import EpochResult, Trainer
from training.metrics import Metrics
from training.record import Hardware, RunRecord
from training.resume import Best, ResumeFile
from training.typed_json import encode


class Progress(Protocol):
    """Is told how a run comes along."""

    def begin(self, recipe: Recipe, splits: Splits, hardware: Hardware) -> None: ...
    def step(self) -> None: ...
    def epoch(self, result: EpochResult, validation: Metrics) -> None: ...
    def note(self, text: str) -> None: ...
    def resumed(self, epoch: int, seconds: float) -> None: ...


class Unseen:
    """The progress of a process that does not speak: one of several."""

    def begin(self, recipe: Recipe, splits: Splits, hardware: Hardware) -> None:
        pass

    def step(self) -> None:
        pass

    def epoch(self, result: EpochResult, validation: Metrics) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def resumed(self, epoch: int, seconds: float) -> None:
        pass


class Course:
    """From the first epoch, or from where a resume file broke off, to the weights that count."""

    def __init__(
        self, trainer: Trainer, record: RunRecord, splits: Splits, output: Path, progress: Progress,
        resume: ResumeFile, group: Group, started: float,
    ) -> None:  # fmt: skip
        self._trainer, self._record, self._splits, self._output = trainer, record, splits, output
        self._progress, self._resume, self._group = progress, resume, group
        self._started = started
        self._best = Best()

    def go_on(self) -> None:
        """Takes up an interrupted run, if there is one; what the lost steps had written is taken back."""
        seconds = self._resume.load(self._trainer, self._best)
        if seconds is None:
            return
        self._started -= seconds
        self._progress.resumed(self._trainer.epoch, seconds)
        lines = self._output / checkpoint.METRICS_FILE
        if self._group.is_first:
            kept = lines.read_text().splitlines(keepends=True)[: self._trainer.epoch] if lines.is_file() else []
            lines.write_text("".join(kept))

    def run(self) -> RunRecord:
        """The record after the last epoch; the best weights are back in place where the recipe may stop early."""
        recipe = self._record.recipe
        while self._trainer.epoch < recipe.epochs and not self._is_stale():
            result = self._trainer.run_epoch(self._step)
            validation = predict(self._trainer.model, self._splits.validation, self._record.preprocessing).metrics(
                names=self._record.labels, split="validation"
            )
            if recipe.patience is not None:
                self._best.offer(validation.accuracy, result.epoch, self._trainer)
            self._record = replace(self._record, epochs=result.epoch, train_seconds=round(self._seconds, 3))
            if self._group.is_first:
                self._write(result, validation)
                self._resume.save_if_due(self._trainer, self._best, seconds=self._seconds)
            self._progress.epoch(result, validation)
        if self._best.weights:
            self._trainer.model.load_state_dict(self._best.weights)
            self._progress.note(f"the weights are those of epoch {self._best.epoch}, the best of {self._trainer.epoch}")
        return replace(self._record, train_seconds=round(self._seconds, 3))

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _is_stale(self) -> bool:
        patience = self._record.recipe.patience
        return patience is not None and self._trainer.epoch - self._best.epoch >= patience

    def _step(self) -> None:
        self._progress.step()
        if self._group.is_first:
            self._resume.save_if_due(self._trainer, self._best, seconds=self._seconds)

    def _write(self, result: EpochResult, validation: Metrics) -> None:
        quality = {"validation_accuracy": validation.accuracy, "validation_macro_f1": validation.macro_f1}
        with (self._output / checkpoint.METRICS_FILE).open("a") as lines:
            lines.write(json.dumps({**encode(result), **quality, "validation_ece": validation.ece}) + "\n")
        checkpoint.write_record(self._output, self._record)
