"""A signal ends a run after the step, with everything saved (training/interruption.py)."""

import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.conftest import SAMPLE_DIRECTORY, SilentProgress
from training.checkpoint import Run
from training.config import Recipe
from training.errors import RunInterrupted
from training.fit import fit
from training.interruption import Interruption
from training.loop import EpochResult
from training.metrics import Metrics
from training.resume import FILE


@pytest.fixture(autouse=True)
def _in_the_foreground() -> Iterator[None]:
    """Where the tests were started in the background, Ctrl-C is ignored from the beginning."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Impatient(SilentProgress):
    """Sends this process a signal after so many steps."""

    def __init__(self, number: signal.Signals, *, after: int) -> None:
        super().__init__()
        self._number, self._after = number, after

    def step(self) -> None:
        super().step()
        if self.steps == self._after:
            signal.raise_signal(self._number)


class ImpatientAtTheEnd(SilentProgress):
    """Sends it after the last epoch, of which all is counted."""

    def epoch(self, result: EpochResult, validation: Metrics) -> None:
        super().epoch(result, validation)
        if result.epoch * 5 == self.expected_steps:
            signal.raise_signal(signal.SIGTERM)


def run_sample(recipe: Recipe, output: Path, progress: SilentProgress) -> Run:
    return fit(
        recipe, seed=0, output=output, data_directory=SAMPLE_DIRECTORY, device=torch.device("cpu"), progress=progress
    ).run


@pytest.mark.parametrize(("number", "after"), [(signal.SIGINT, 2), (signal.SIGTERM, 7)])
def test_an_interrupted_run_goes_on_from_the_very_step(
    recipe: Recipe, tmp_path: Path, trained_run: Run, number: signal.Signals, after: int
) -> None:
    """Although nothing was due to be saved for another minute; it ends bit for bit like one that was left in peace."""
    before = signal.getsignal(number)
    with pytest.raises(RunInterrupted, match=r"after \d of 2 epochs and \d s; the same command goes on") as ended:
        run_sample(recipe, tmp_path / "run", Impatient(number, after=after))
    assert ended.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
    assert (tmp_path / "run" / FILE).is_file()
    again = SilentProgress()
    assert run_sample(recipe, tmp_path / "run", again).record.files == trained_run.record.files
    assert again.steps == 10 - after


@pytest.mark.parametrize("impatient", [Impatient(signal.SIGINT, after=5), ImpatientAtTheEnd()])
def test_what_is_interrupted_after_its_last_step_has_only_its_figures_left(
    recipe: Recipe, tmp_path: Path, impatient: SilentProgress
) -> None:
    """No step is taken twice, and the record counts the epoch that another process trained."""
    with pytest.raises(RunInterrupted):
        run_sample(replace(recipe, epochs=1), tmp_path / "run", impatient)
    again = SilentProgress()
    assert run_sample(replace(recipe, epochs=1), tmp_path / "run", again).record.epochs == 1
    assert again.steps == 0


def test_a_second_signal_is_not_held_back() -> None:
    """Whoever presses Ctrl-C twice does not want to wait for a step."""
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_signals_that_are_ignored_or_not_ours_to_heed_are_left_alone() -> None:
    """Under nohup, in one of several processes, in a thread."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
        assert interruption.number is None
    finally:
        signal.signal(signal.SIGTERM, before)
    with Interruption(heeded=False):
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    failures: list[Exception] = []

    def elsewhere() -> None:
        try:
            with Interruption():
                pass
        except Exception as error:  # noqa: BLE001 - of another thread, to be told in this one
            failures.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert failures == []
