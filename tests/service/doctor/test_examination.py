"""The doctor as a whole (service/doctor/examination.py), and its command."""

import json
from pathlib import Path

from typer.testing import CliRunner

from service.__main__ import app
from service.doctor.finding import Verdict
from tests.service.doctor.subjects import findings


def test_a_sound_machine_has_no_failure(models: Path) -> None:
    """Every check says what it saw; only what is not well has advice."""
    found = findings(models)
    assert {"runtime", "provider", "grpc_port", "http_port", "metrics_port", "thirds/1"} <= set(found)
    assert {"memory", "cores", "open files", "clock"} <= set(found)
    for finding in found.values():
        assert finding.verdict is not Verdict.FAILURE
        assert finding.saw
        assert bool(finding.advice) is (finding.verdict is not Verdict.OK)


def test_what_is_not_set_is_not_looked_at(models: Path) -> None:
    """No tokens, certificates, keys or traces, and no HTTP door."""
    found = findings(models, http=False)
    assert not {"tokens", "certificate", "trusted_keys", "traces", "http_port", "driver"} & set(found)


def test_the_command_ends_with_1_where_the_service_would_not_start(models: Path, tmp_path: Path) -> None:
    """0 with warnings only; as JSON for programs."""
    ports = ["--grpc-port", "0", "--http-port", "0", "--metrics-port", "0", "--device", "cpu"]
    good = CliRunner().invoke(app, ["--models", str(models), *ports, "doctor", "--json"])
    assert good.exit_code == 0
    assert {"subject", "verdict", "saw", "advice"} == set(json.loads(good.stdout)[0])
    bad = CliRunner().invoke(app, ["--models", str(tmp_path / "nowhere"), *ports, "doctor"])
    assert bad.exit_code == 1
    assert "--models" in bad.stdout
