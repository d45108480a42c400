"""The command `recognition`: what it prints where, and its exit codes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client.__main__ import app
from typer.testing import CliRunner, Result

from tests.client.fake_service import FakeService, serving, status

COMMAND = Path(sys.executable).with_name("recognition")


def run(target: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"RECOGNITION_SERVER": target, "COLUMNS": "200"})


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """A good file, a bad one and another good one."""
    paths = []
    for name in ("shoe", "bad", "coat"):
        path = tmp_path / f"{name}.png"
        path.write_bytes(name.encode())
        paths.append(str(path))
    return paths


def test_good_images_are_printed_and_each_bad_one_is_one_line(target: str, images: list[str], tmp_path: Path) -> None:
    """Whatever else is wrong with the files; exit code 1."""
    missing = str(tmp_path / "missing.png")
    done = run(target, "classify", *images, missing, str(tmp_path), "--top-k", "1")
    assert done.stdout.splitlines() == [f"{images[0]}: shoe 50.00%", f"{images[2]}: coat 50.00%"]
    assert done.stderr.splitlines() == [
        f"{images[1]}: This is no image (IMAGE_UNREADABLE)",
        f"{missing}: The file cannot be read: No such file or directory (FILE_UNREADABLE)",
        f"{tmp_path}: The file cannot be read: Is a directory (FILE_UNREADABLE)",
    ]
    assert done.exit_code == 1


def test_all_good_is_exit_code_0(target: str, service: FakeService, images: list[str]) -> None:
    """And the request is what was asked for."""
    options = ("--model", "m", "--version", "2", "--top-k", "3", "--min-confidence", "0.75")
    done = run(target, "classify", images[0], *options)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "unknown; best guesses shoe 50.00%" in done.stdout
    assert service.requests == [
        pb.BatchClassifyRequest(
            model=pb.ModelSelector(name="m", version=2),
            images=[b"shoe"],
            options=pb.ClassifyOptions(top_k=3, min_confidence=0.75),
        )
    ]


def test_json_has_one_object_for_each_image(target: str, images: list[str]) -> None:
    """Answers and errors alike, in order."""
    done = run(target, "classify", *images, "--json")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["path"] for record in records] == images
    assert records[0]["predictions"][0] == {"index": 0, "label": "shoe", "probability": 0.5}
    assert records[1]["error"]["reason"] == "IMAGE_UNREADABLE"
    assert done.exit_code == 1


def test_many_images_are_sent_in_parts(target: str, service: FakeService, images: list[str]) -> None:
    """More than one request takes."""
    done = run(target, "classify", *[images[0]] * 100)
    assert len(done.stdout.splitlines()) == 100
    assert service.batch_sizes == [64, 36]


def test_models_are_listed(target: str, service: FakeService) -> None:
    """As lines, or as JSON."""
    service.models = [pb.Model(name="m", version=v, state=pb.MODEL_STATE_READY) for v in (1, 2, 3)]
    done = run(target, "models")
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [f"m version {v}" for v in (1, 2, 3)]
    done = run(target, "models", "--json")
    assert [json.loads(line)["state"] for line in done.stdout.splitlines()] == ["READY"] * 3
    assert done.exit_code == 0


def test_health_is_the_exit_code(target: str, service: FakeService) -> None:
    """0 when it serves, and 1 when it does not or is not known."""
    serving(service, "ill", well=False)
    assert (run(target, "health").exit_code, run(target, "health").stdout) == (0, f"{target}: SERVING\n")
    assert (run(target, "health", "ill").exit_code, run(target, "health", "ill").stdout) == (1, "ill: NOT_SERVING\n")
    done = run(target, "health", "other", "--json")
    assert json.loads(done.stdout) == {"server": target, "model": "other", "status": "SERVICE_UNKNOWN"}
    assert done.exit_code == 1


@pytest.mark.parametrize("command", [["classify", __file__], ["models"], ["health"]])
def test_a_server_that_is_not_there_is_one_line_soon(nobody: str, command: list[str]) -> None:
    """It says so, and what to do."""
    began = time.monotonic()
    done = run(nobody, *command)
    assert time.monotonic() - began < 9  # the deadline is 10 s
    assert (done.exit_code, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert f"{nobody} cannot be reached" in line
    assert "recognition-serve" in line


def test_what_concerns_all_images_is_one_line(target: str, service: FakeService, images: list[str]) -> None:
    """With the reason, and with what to do about it."""
    service.failures.append(status(grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", "There is no model x."))
    done = run(target, "classify", *images, "--model", "x")
    assert done.stderr == (
        "recognition: There is no model x (MODEL_NOT_FOUND). `recognition models` lists what is there.\n"
    )
    assert (done.exit_code, done.stdout) == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["classify"],
        ["classify", "a.png", "--top-k", "0"],
        ["classify", "a.png", "--top-k", "99999999999"],
        ["classify", "a.png", "--min-confidence", "1.5"],
        ["classify", "a.png", "--version", "1", "--alias", "stable"],
        ["health", "--server", "http://localhost:8001"],
        ["health", "--timeout", "0"],
        ["nothing"],
    ],
)
def test_wrong_use_is_exit_code_2(target: str, arguments: list[str]) -> None:
    """With a sentence and no traceback."""
    done = run(target, *arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


@pytest.mark.parametrize("command", ["classify", "models", "health"])
def test_help_shows_an_example(target: str, command: str) -> None:
    """One that begins as it would be typed."""
    done = run(target, command, "--help")
    assert f"Example: recognition {command}" in done.stdout
    assert done.exit_code == 0


def test_the_installed_command_works(target: str, images: list[str]) -> None:
    """As a process of its own: answers on stdout, one line on stderr and nothing else, not even from gRPC."""
    done = subprocess.run(
        [COMMAND, "classify", *images, "--server", target, "--top-k", "1"], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [f"{images[0]}: shoe 50.00%", f"{images[2]}: coat 50.00%"]
    assert done.stderr == f"{images[1]}: This is no image (IMAGE_UNREADABLE)\n"
    assert done.returncode == 1


def test_ctrl_c_is_quiet(target: str, service: FakeService, images: list[str]) -> None:
    """Exit code 130, nothing printed."""
    service.delay_seconds = 5.0
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background it would be ignored
    try:
        process = subprocess.Popen(
            [COMMAND, "classify", images[0], "--server", target],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 60
    while not service.requests:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 130
