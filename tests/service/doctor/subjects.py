"""What the tests of the doctor ask it about, and how they find what it said."""

from pathlib import Path

from service.config import Settings
from service.doctor.examination import examine
from service.doctor.finding import Finding
from service.engine.providers import Device


def settings(models: Path, **others: object) -> Settings:
    """Free ports and the CPU, unless the test says otherwise."""
    ports = {"grpc_port": 0, "http_port": 0, "metrics_port": 0}
    return Settings(**{"models": models, "device": Device.CPU, **ports, **others})  # type: ignore[arg-type] # as named


def findings(models: Path, **others: object) -> dict[str, Finding]:
    """By subject; no subject has two."""
    every = examine(settings(models, **others))
    by_subject = {finding.subject: finding for finding in every}
    assert len(by_subject) == len(every)
    return by_subject
