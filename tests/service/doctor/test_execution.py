"""The doctor on what computes (service/doctor/execution.py)."""

from pathlib import Path

import onnxruntime
import pytest

from service import machine
from service.doctor.finding import Verdict
from service.engine import providers
from service.engine.providers import Device, cuda_obstacle
from tests.service.doctor.subjects import findings


@pytest.mark.skipif(cuda_obstacle() is None, reason="CUDA can be had here")
def test_cuda_that_is_missing_fails_only_who_asked_for_it(models: Path) -> None:
    """With auto it is a warning, since the CPU takes its place."""
    assert findings(models, device=Device.CUDA)["provider"].verdict is Verdict.FAILURE
    assert findings(models, device=Device.AUTO)["provider"].verdict is Verdict.WARNING


def test_two_runtimes_at_once_are_a_failure(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one module, and a start refuses them."""
    monkeypatch.setattr(providers, "installed_runtimes", lambda: ["onnxruntime", "onnxruntime-gpu"])
    finding = findings(models)["runtime"]
    assert finding.verdict is Verdict.FAILURE
    assert "onnxruntime and onnxruntime-gpu" in finding.saw


@pytest.mark.parametrize(("has", "verdict"), [((12, 4), Verdict.FAILURE), ((13, 0), Verdict.OK), ((14, 1), Verdict.OK)])
def test_a_driver_older_than_the_runtime_s_cuda_is_a_failure(
    models: Path, monkeypatch: pytest.MonkeyPatch, has: tuple[int, int], verdict: Verdict
) -> None:
    """Within one major version of CUDA every driver will do."""
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.1", raising=False)
    monkeypatch.setattr(machine, "cuda_of_driver", lambda: has)
    finding = findings(models, device=Device.AUTO)["driver"]
    assert finding.verdict is verdict
    assert f"CUDA {has[0]}.{has[1]}" in finding.saw
    assert "13.1" in finding.saw


@pytest.mark.parametrize(("of_runtime", "of_driver"), [("", (13, 0)), ("13.1", None)])
def test_without_cuda_or_a_driver_there_is_nothing_to_compare(
    models: Path, monkeypatch: pytest.MonkeyPatch, of_runtime: str, of_driver: tuple[int, int] | None
) -> None:
    """The provider says what is missing."""
    monkeypatch.setattr(onnxruntime, "cuda_version", of_runtime, raising=False)
    monkeypatch.setattr(machine, "cuda_of_driver", lambda: of_driver)
    assert "driver" not in findings(models, device=Device.AUTO)
