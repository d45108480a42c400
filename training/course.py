"""The epochs of a run with what surrounds them: validation, early stopping, metrics.jsonl, events, the resume file."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from training import checkpoint
from training.config import Recipe
from training.data import Splits
from training.device import rough_convolutions
from training.distributed import Group
from training.errors import RunInterrupted
from training.evaluate import predict
from training.events import Events
from training.interruption import Interruption
from training.loop import EpochResult, Trainer
from training.metrics import Metrics
from training.record import Hardware, RunRecord
from training.resume import Best, ResumeFile, Spent
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
        self, record: RunRecord, splits: Splits, output: Path, progress: Progress, resume: ResumeFile, group: Group, *,
        events: bool = False,
    ) -> None:  # fmt: skip
        self._record, self._splits, self._output = record, splits, output
        self._progress, self._resume, self._group = progress, resume, group
        self._started, self._started_cpu = time.perf_counter(), time.process_time()
        self._best = Best()
        self._with_events = events and group.is_first
        self._events: Events | None = None
        self._interruption = Interruption(heeded=group.size == 1)

    @property
    def seconds(self) -> float:
        """Wall time so far, with that of the processes that this one goes on for."""
        return time.perf_counter() - self._started

    @property
    def cpu_seconds(self) -> float:
        return time.process_time() - self._started_cpu

    def run(self, trainer: Trainer) -> RunRecord:
        """The record after the last epoch; the best weights are back in place where the recipe may stop early.

        Raises RunInterrupted after a signal, with everything saved.
        """
        self._go_on(trainer)
        self._events = Events(self._output, first_epoch=trainer.epoch + 1) if self._with_events else None
        with self._interruption:
            while trainer.epoch < self._record.recipe.epochs and not self._is_stale(trainer):
                self._run_epoch(trainer)
        if self._best.weights:
            trainer.model.load_state_dict(self._best.weights)
            self._progress.note(f"the weights are those of epoch {self._best.epoch}, the best of {trainer.epoch}")
        return self._timed(self._record)

    def _run_epoch(self, trainer: Trainer) -> None:
        result = trainer.run_epoch(lambda: self._step(trainer))
        validation = self._validate(trainer)
        if self._record.recipe.patience is not None:
            self._best.offer(validation.accuracy, result.epoch, trainer)
        self._record = self._timed(replace(self._record, epochs=result.epoch))
        if self._group.is_first:
            self._write(result, validation)
        self._progress.epoch(result, validation)
        self._save_if_due(trainer)

    def _go_on(self, trainer: Trainer) -> None:
        """Takes up an interrupted run, if there is one; what the lost steps had written is taken back."""
        spent = self._resume.load(trainer, self._best)
        if spent is None:
            return
        self._started -= spent.seconds
        self._started_cpu -= spent.cpu_seconds
        self._record = replace(self._record, epochs=trainer.epoch)  # which may have been the last
        self._progress.resumed(trainer.epoch, spent.seconds)
        lines = self._output / checkpoint.METRICS_FILE
        if self._group.is_first:
            kept = lines.read_text().splitlines(keepends=True)[: trainer.epoch] if lines.is_file() else []
            lines.write_text("".join(kept))

    def _validate(self, trainer: Trainer) -> Metrics:
        """In TF32 on a GPU; the figures of the finished run are computed anew, exactly."""
        with rough_convolutions():
            predictions = predict(trainer.model, self._splits.validation, self._record.preprocessing)
        trainer.check(
            float(np.abs(predictions.logits).max(initial=0))
        )  # of weights so large that nothing can be computed
        return predictions.metrics(names=self._record.labels, split="validation")

    def _timed(self, record: RunRecord) -> RunRecord:
        return replace(record, train_seconds=round(self.seconds, 3), cpu_seconds=round(self.cpu_seconds, 3))

    def _is_stale(self, trainer: Trainer) -> bool:
        patience = self._record.recipe.patience
        return patience is not None and trainer.epoch - self._best.epoch >= patience

    def _step(self, trainer: Trainer) -> None:
        self._progress.step()
        self._save_if_due(trainer)

    def _save_if_due(self, trainer: Trainer) -> None:
        spent, number = Spent(seconds=self.seconds, cpu_seconds=self.cpu_seconds), self._interruption.number
        if number is not None:
            self._resume.save(trainer, self._best, spent)
            raise RunInterrupted(
                f"interrupted after {trainer.epoch} of {self._record.recipe.epochs} epochs and {spent.seconds:.0f} s; "
                "the same command goes on from there",
                signal_number=number,
            )
        if self._group.is_first:
            self._resume.save_if_due(trainer, self._best, spent)

    def _write(self, result: EpochResult, validation: Metrics) -> None:
        quality = {"validation_accuracy": validation.accuracy, "validation_macro_f1": validation.macro_f1}
        line = {**encode(result), **quality, "validation_ece": validation.ece}
        with (self._output / checkpoint.METRICS_FILE).open("a") as lines:
            lines.write(json.dumps(line) + "\n")
        if self._events is not None:
            self._events.write(line)
        checkpoint.write_record(self._output, self._record)
