"""The doctor (service/doctor.py): what it finds on a sound machine, and on one with each fault."""

import json
import socket
from importlib import metadata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from service import machine
from service.__main__ import app
from service.config import Settings
from service.doctor import Finding, Verdict, examine
from service.engine.providers import Device, cuda_obstacle
from tests.service.packages import PackageRecipe


@pytest.fixture
def models(tmp_path: Path) -> Path:
    PackageRecipe().write(tmp_path)
    return tmp_path


def settings(models: Path, **others: object) -> Settings:
    ports = {"grpc_port": 0, "http_port": 0, "metrics_port": 0}
    return Settings(**{"models": models, "device": Device.CPU, **ports, **others})  # type: ignore[arg-type] # as named


def found(findings: list[Finding], subject: str) -> Finding:
    (finding,) = [finding for finding in findings if finding.subject == subject]
    return finding


def test_a_sound_machine_has_no_failure(models: Path) -> None:
    """Every check says what it saw; only what is not well has advice."""
    findings = examine(settings(models))
    assert {"provider", "grpc_port", "http_port", "metrics_port", "thirds/1", "memory", "cores", "clock"} <= {
        finding.subject for finding in findings
    }
    assert all(finding.verdict is not Verdict.FAILURE for finding in findings)
    assert all(finding.saw and bool(finding.advice) is (finding.verdict is not Verdict.OK) for finding in findings)


def test_a_taken_port_is_a_failure_with_its_option(models: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        finding = found(examine(settings(models, grpc_port=other.getsockname()[1])), "grpc_port")
    assert finding.verdict is Verdict.FAILURE
    assert "--grpc-port" in finding.advice


def test_a_port_that_is_not_opened_is_not_looked_at(models: Path) -> None:
    """Without the HTTP door its port does not matter."""
    assert "http_port" not in {finding.subject for finding in examine(settings(models, http=False))}


def test_an_unsigned_package_is_a_failure_where_keys_are_trusted(models: Path, tmp_path: Path) -> None:
    """And so are keys that cannot be read."""
    key = Ed25519PrivateKey.generate().public_key()
    public = tmp_path / "release.pub"
    unread = found(examine(settings(models, trusted_keys=public)), "trusted_keys")
    assert (unread.verdict, "--trusted-keys" in unread.advice) == (Verdict.FAILURE, True)
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    findings = examine(settings(models, trusted_keys=public))
    assert found(findings, "trusted_keys").verdict is Verdict.OK
    assert "thirds/1 is not signed" in found(findings, "thirds").saw


def test_a_changed_file_is_a_failure_that_names_it(models: Path) -> None:
    """By its digest, as at a start."""
    graph = models / "thirds" / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes() + b"\x00")
    finding = found(examine(settings(models)), "thirds")
    assert finding.verdict is Verdict.FAILURE
    assert "thirds/1/model.onnx" in finding.saw


def test_a_missing_or_empty_repository_is_a_failure(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        assert found(examine(settings(place)), "models").verdict is Verdict.FAILURE


@pytest.mark.skipif(cuda_obstacle() is None, reason="CUDA can be had here")
def test_cuda_that_is_missing_fails_only_who_asked_for_it(models: Path) -> None:
    """With auto it is a warning, since the CPU takes its place."""
    assert found(examine(settings(models, device=Device.CUDA)), "provider").verdict is Verdict.FAILURE
    assert found(examine(settings(models, device=Device.AUTO)), "provider").verdict is Verdict.WARNING


def test_both_runtimes_at_once_are_a_warning(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They share one module, and the one installed last wins."""
    here = metadata.distribution("recognition")
    monkeypatch.setattr(metadata, "distribution", lambda _name: here)
    assert found(examine(settings(models)), "runtime").verdict is Verdict.WARNING


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
    finding = found(examine(settings(models, threads=2)), subject)
    assert finding.verdict is Verdict.WARNING
    assert finding.advice


def test_what_cannot_be_told_is_no_fault(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on another system than Linux."""
    for name in ("available_bytes", "core_quota", "open_file_limit", "clock_is_kept"):
        monkeypatch.setattr(machine, name, lambda: None)
    findings = examine(settings(models))
    assert {found(findings, name).verdict for name in ("memory", "cores", "open files", "clock")} == {Verdict.OK}


def test_the_command_ends_with_1_where_the_service_would_not_start(models: Path, tmp_path: Path) -> None:
    """0 with warnings only; as JSON for programs."""
    ports = ["--grpc-port", "0", "--http-port", "0", "--metrics-port", "0", "--device", "cpu"]
    good = CliRunner().invoke(app, ["--models", str(models), *ports, "doctor", "--json"])
    assert good.exit_code == 0
    assert {"subject", "verdict", "saw", "advice"} == set(json.loads(good.stdout)[0])
    bad = CliRunner().invoke(app, ["--models", str(tmp_path / "nowhere"), *ports, "doctor"])
    assert bad.exit_code == 1
    assert "--models" in bad.stdout
