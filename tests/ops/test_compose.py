"""The compose file: its schema, what Docker's own parser makes of it, and what it promises."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.config import PREFIX, Settings
from tests.ops.tools import ROOT, run, tool

COMPOSE = ROOT / "docker-compose.yml"


@cache
def configured(*profiles: str) -> dict[str, Any]:
    """The file as docker-compose resolves it; without profiles, as `docker compose up` would."""
    options = [option for profile in profiles for option in ("--profile", profile)]
    text = run(tool("docker-compose"), "--file", COMPOSE, *options, "config", "--format", "json")
    resolved: dict[str, Any] = json.loads(text)
    return resolved


def test_the_schema_accepts_it() -> None:
    """The Compose Specification's, which refuses keys that it does not know."""
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE)


@pytest.mark.parametrize(
    ("profiles", "chosen"),
    [
        ((), {"service"}),
        (("gpu",), {"service-gpu"}),
        (("cpu", "tracing"), {"service", "collector"}),
    ],
)
def test_a_profile_chooses_what_runs(profiles: tuple[str, ...], chosen: set[str]) -> None:
    """Nothing asked for is the CPU; the GPU takes its place instead of joining it."""
    assert set(configured(*profiles)["services"]) == {"demo-model", "prometheus", "grafana"} | chosen


def test_ports_are_bound_to_this_machine_only() -> None:
    """Whoever wants more says so."""
    for service in configured("cpu", "gpu", "tracing")["services"].values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", []))


def test_containers_have_no_more_than_they_need() -> None:
    """A read-only root, no capabilities, no new privileges."""
    for name, service in configured("cpu", "gpu", "tracing")["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_service_waits_for_the_demo_model() -> None:
    """The one-shot fills the volume that the service reads."""
    services = configured("cpu")["services"]
    assert services["service"]["depends_on"]["demo-model"]["condition"] == "service_completed_successfully"
    (models,) = [volume for volume in services["service"]["volumes"] if volume["target"] == "/models"]
    assert models["read_only"] is True
    assert {volume["source"] for volume in services["demo-model"]["volumes"]} >= {models["source"]}


def test_the_gpu_is_reserved() -> None:
    """One device of the NVIDIA driver, and a service that does not run without."""
    service = configured("gpu")["services"]["service-gpu"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", 1, ["gpu"])
    assert service["command"] == ["--device", "cuda"]
    assert service["build"]["args"]["DEVICE"] == "gpu"


def test_the_containers_are_given_more_time_than_the_shutdown_takes() -> None:
    """Docker kills after the grace period; the service drains and finishes before."""
    settings = Settings()
    assert configured()["services"]["service"]["stop_grace_period"] == "35s"
    assert settings.drain_seconds + settings.grace_seconds < 35


def test_variables_are_settings_and_mounted_files_exist() -> None:
    """A misspelt variable would stop the service; a missing file would be mounted as an empty directory."""
    for service in configured("cpu", "gpu", "tracing")["services"].values():
        names = {name for name in service.get("environment", {}) if name.startswith(PREFIX)}
        assert {name.removeprefix(PREFIX).lower() for name in names} <= set(Settings.model_fields)
        for volume in service.get("volumes", []):
            assert volume["type"] != "bind" or Path(volume["source"]).is_file()


def test_build_targets_are_in_the_dockerfile() -> None:
    """Each image that is built names one."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for service in yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"].values():
        if "build" in service:
            assert f" AS {service['build']['target']}\n" in dockerfile
