"""The Dockerfile: what the linter says, and the image built for real out of Debian packages, and run."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from recognition_client import RecognitionClient

from tests.ops.images import Image, built_image
from tests.ops.tools import ROOT, run, tool
from tests.service.packages import PackageRecipe, encode, picture

MEGABYTE = 10**6
LARGEST_IMAGE = 400 * MEGABYTE


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The service's, for the CPU."""
    with built_image(tmp_path_factory.mktemp("image"), "service") as built:
        yield built


@contextmanager
def container(image: Image, models: Path) -> Iterator["subprocess.Popen[str]"]:
    """The image's own command with its own environment, on free ports of this machine."""
    ports = [option for name in ("grpc", "http", "metrics") for option in (f"--{name}-port", "0")]
    command = [*image.config["Entrypoint"], "--host", "127.0.0.1", *ports]
    line = image.line(command, volumes=[f"{models}:/models:ro"])
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_the_linter_accepts_the_dockerfile() -> None:
    """The linter has nothing to say."""
    assert run(tool("hadolint"), "Dockerfile") == ""


def test_every_source_directory_of_the_wheel_is_copied() -> None:
    """What pyproject.toml packs, the Dockerfile copies and .dockerignore lets through."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [line.split()[1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--" not in line]
    for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("packages = [") and "proto/" in line:
            for package in json.loads(line.removeprefix("packages = ")):
                assert package.split("/")[0] in copied
                assert f"!{package.split('/')[0]}" in ignored


@pytest.mark.parametrize("lock", ["service-cpu", "service-gpu", "batch-cpu", "batch-gpu", "training", "build"])
def test_a_lock_pins_what_the_project_was_tested_with(lock: str) -> None:
    """Packages of an image's lock that requirements.lock has too stand there in the same version."""
    tested = pins(ROOT / "requirements.lock")
    for package, versions in pins(ROOT / "locks" / f"{lock}.lock").items():
        assert versions <= tested.get(package, versions), package


def pins(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            package, version = line.split(" ")[0].split("==")
            found.setdefault(package, set()).add(version)
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
class TestBuiltImage:
    """What only the real image can show."""

    def test_it_is_small_and_brings_no_tools(self, image: Image) -> None:
        """At most 400 MB; no torch, compiler, pip of its own or pip cache."""
        assert image.size <= LARGEST_IMAGE, image.size
        packages = {path.name for path in image.packages.iterdir()}
        assert "onnxruntime" in packages
        assert not packages & {"torch", "pip", "hatchling", "onnx"}
        assert not (image.root / "usr/bin/gcc").exists()
        assert not (image.root / "root/.cache/pip").exists()

    def test_its_settings_say_how_to_run_it(self, image: Image) -> None:
        """User 10001, SIGTERM, a health check by the client, labels."""
        assert image.config["User"] == "10001:10001"
        assert image.config["StopSignal"] == "SIGTERM"
        assert image.config["Healthcheck"]["Test"][:3] == ["CMD", "recognition", "health"]
        assert image.config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"

    def test_it_serves_as_uid_10001_with_a_read_only_root(self, image: Image, tmp_path: Path) -> None:
        """A request is answered; the process has no rights, cannot write, and ends with 0 on SIGTERM."""
        PackageRecipe().write(tmp_path)
        tmp_path.chmod(0o755)
        with container(image, tmp_path) as process:
            ports = wait_until_ready(process)
            (pid,) = children_of(process.pid)
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
            assert "Uid:\t10001\t10001\t10001\t10001" in status
            assert "CapEff:\t0000000000000000" in status
            assert mount_options(pid, "/").split(",")[0] == "ro"
            with RecognitionClient(f"localhost:{ports['grpc_port']}") as client:
                assert client.classify(encode(picture(1))).predictions[0].label == "middle"
            with urllib.request.urlopen(f"http://localhost:{ports['http_port']}/readyz", timeout=5) as answer:
                assert answer.status == 200
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGTERM)
            assert process.wait(timeout=30) == 0


def wait_until_ready(process: "subprocess.Popen[str]") -> dict[str, Any]:
    ports: dict[str, Any] = {}
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        entry = json.loads(line) if line.startswith("{") else {"event": line}
        if entry["event"] == "ports bound":
            ports = entry
        if entry["event"] == "ready":
            return ports
    raise AssertionError(f"it ended before it was ready: {lines}")


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in text.split()]


def mount_options(pid: int, place: str) -> str:
    for _ in range(20):
        for line in Path(f"/proc/{pid}/mounts").read_text(encoding="utf-8").splitlines():
            if line.split()[1] == place:
                return line.split()[3]
        time.sleep(0.1)
    raise AssertionError(f"{place} is not mounted")
