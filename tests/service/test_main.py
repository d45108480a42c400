"""The command `recognition-serve` (service/__main__.py), as a real process wherever that could differ."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner

from service.__main__ import app
from service.config import Settings
from service.engine.providers import cuda_obstacle
from tests.integration.running_service import ROOT, running_service

FREE_PORTS = ("--grpc-port", "0", "--no-http", "--metrics-port", "0")


def serve(*arguments: str | Path, environment: Mapping[str, str] = os.environ) -> "subprocess.CompletedProcess[str]":
    """Runs the command until it ends by itself."""
    line = [sys.executable, "-m", "service", *map(str, arguments)]
    return subprocess.run(
        line, cwd=ROOT, env=dict(environment), capture_output=True, text=True, timeout=60, check=False
    )


def complaint(done: "subprocess.CompletedProcess[str]") -> str:
    """The last line of standard error, which is for people; no traceback comes with it."""
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("recognition-serve: ")
    return line


@pytest.mark.skipif(cuda_obstacle() is None, reason="CUDA can be had here")
def test_cuda_that_cannot_be_had_ends_with_1(models: Path) -> None:
    """One line says what is missing and what to do."""
    done = serve("--models", models, "--device", "cuda", *FREE_PORTS)
    assert done.returncode == 1
    assert re.search(r"CUDA was asked for, but .* start with --device cpu\.$", complaint(done))


def test_a_busy_port_ends_with_1(models: Path) -> None:
    """Named, with the option that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = serve("--models", models, *FREE_PORTS, "--grpc-port", str(port))
    assert done.returncode == 1
    assert str(port) in complaint(done)
    assert "--grpc-port" in complaint(done)


def test_a_missing_repository_ends_with_1(tmp_path: Path) -> None:
    """The sentence names the directory, and the command that fills one."""
    done = serve("--models", tmp_path / "nowhere", *FREE_PORTS)
    assert done.returncode == 1
    assert "nowhere cannot be read (No such file or directory)" in complaint(done)
    assert "recognition-export" in complaint(done)


def test_an_unsigned_package_ends_with_1_where_keys_are_trusted(models: Path, tmp_path: Path) -> None:
    """One line, as for a key that is not there."""
    public = tmp_path / "release.pub"
    options = ("--models", models, "--trusted-keys", public, *FREE_PORTS)
    missing = serve(*options)
    assert missing.returncode == 1
    assert "release.pub cannot be read" in complaint(missing)
    key = Ed25519PrivateKey.generate().public_key()
    public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    refused = serve(*options)
    assert refused.returncode == 1
    assert "thirds/1 is not signed" in complaint(refused)


def test_an_unknown_variable_ends_with_2() -> None:
    """The name is in the sentence; nothing was started."""
    done = serve(*FREE_PORTS, environment=os.environ | {"RECOGNITION_GRPC_PROT": "1"})
    assert done.returncode == 2
    assert "RECOGNITION_GRPC_PROT" in complaint(done)
    assert "config show" in complaint(done)


def test_a_wrong_value_ends_with_2() -> None:
    """With the setting's name and origin."""
    done = CliRunner().invoke(app, ["--device", "tpu"])
    assert done.exit_code == 2
    assert "device (command line)" in done.stderr


def test_an_unknown_option_ends_with_2() -> None:
    """As every command does."""
    done = CliRunner().invoke(app, ["--grpc-prot", "1"])
    assert done.exit_code == 2
    assert "--grpc-prot" in done.stderr


def test_config_show_as_json_has_every_setting_with_its_origin(tmp_path: Path) -> None:
    """For programs: value and origin by name."""
    file = tmp_path / "serve.toml"
    file.write_text('log_level = "debug"\n')
    options = ("--config", file, "--grpc-port", "9001", "config", "show", "--json")
    done = serve(*options, environment=os.environ | {"RECOGNITION_HTTP": "false"})
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert list(shown) == list(Settings.model_fields)
    assert shown["grpc_port"] == {"value": 9001, "origin": "command line"}
    assert shown["http"] == {"value": False, "origin": "environment"}
    assert shown["log_level"] == {"value": "debug", "origin": f"file {file}"}
    assert shown["models"] == {"value": "var/models", "origin": "default"}


def test_config_show_is_readable_where_there_is_no_terminal() -> None:
    """Every name stands whole in the output, so that it can be searched."""
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["config", "show"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert [name for name in Settings.model_fields if name not in done.stdout] == []
    assert "default" in done.stdout


def test_help_names_every_option_and_an_example() -> None:
    """The options are the settings."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["--help"])
    assert done.exit_code == 0
    assert [name for name in Settings.model_fields if f"--{name.replace('_', '-')}" not in done.stdout] == []
    assert "Example: recognition-serve --models" in done.stdout


def test_ctrl_c_ends_the_service_with_0(models: Path) -> None:
    """An orderly end: the last line says so, and there is no traceback."""
    with running_service(models, "--device", "cpu", "--no-http", "--drain-seconds", "0") as service:
        service.process.send_signal(signal.SIGINT)
        assert service.wait() == 0
    assert json.loads(service.log[-1])["event"] == "stopped"
    assert not [line for line in service.log if "Traceback" in line]
