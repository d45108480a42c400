"""The doctor on memory, cores, files and clock (service/doctor/resources.py)."""

import time
from pathlib import Path

import pytest

from service import machine
from service.doctor.finding import Verdict
from tests.service.doctor.subjects import findings


@pytest.mark.parametrize(
    ("subject", "name", "value"),
    [
        ("memory", "available_bytes", 100 * 2**20),
        ("cores", "core_quota", 0.5),
        ("open files", "open_file_limit", 256),
        ("clock", "clock_is_kept", False),
    ],
)
def test_a_scarce_machine_is_a_warning(
    models: Path, monkeypatch: pytest.MonkeyPatch, subject: str, name: str, value: float
) -> None:
    """It starts, and the finding says what to change."""
    monkeypatch.setattr(machine, name, lambda: value)
    finding = findings(models, threads=2)[subject]
    assert finding.verdict is Verdict.WARNING
    assert finding.advice


def test_what_cannot_be_told_is_no_fault(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on another system than Linux."""
    for name in ("available_bytes", "core_quota", "open_file_limit", "clock_is_kept"):
        monkeypatch.setattr(machine, name, lambda: None)
    found = findings(models)
    assert {found[name].verdict for name in ("memory", "cores", "open files", "clock")} == {Verdict.OK}


def test_a_clock_of_another_age_is_a_failure(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose battery is empty."""
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((1970, 1, 1, 0, 3, 0, 3, 1, 0)))
    assert findings(models)["clock"].verdict is Verdict.FAILURE
