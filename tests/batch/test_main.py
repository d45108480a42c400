"""The command as it is typed: exit codes, and one line for what went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from batch.__main__ import app
from batch.lock import held
from batch.share import Share
from batch.store import FolderStore

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "proto", ROOT / "client")))}


def start(*words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "batch", *map(str, words)]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background it would be ignored
    try:
        return subprocess.Popen(
            command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=100)
    return process.returncode, out, err


def test_all_answered_some_unreadable_and_failed(models: Path, pictures: Path, tmp_path: Path) -> None:
    """Exit codes 0, 3 and 1; the job that fails runs beside the first."""
    words = ["--models", models, "--workers", 1]
    answered = start(pictures, "--output", tmp_path / "out", *words, "--json", "--format", "csv")
    failed = start(tmp_path / "away", "--output", tmp_path / "none", *words, "--restart")
    code, out, err = ended(answered)
    assert (code, err) == (0, "")
    assert json.loads(out)["labels"] == {"left": 10, "middle": 10, "right": 10}
    code, out, err = ended(failed)
    assert (code, out) == (1, "")
    assert err == f"error: {tmp_path / 'away'}: there is no such file or folder\n"
    (pictures / "0" / "0000.png").write_bytes(b"no image")
    code, out, err = ended(start(pictures, "--output", tmp_path / "out", *words, "--restart"))
    assert (code, err) == (3, "")
    assert "no answer: IMAGE_UNREADABLE" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(models: Path, pictures: Path, tmp_path: Path, number: int) -> None:
    """One line, exit code 1, nothing aside, and the lock is free."""
    words = (pictures, "--output", tmp_path / "out", "--models", models, "--workers", 1, "--shard-size", 1)
    process = start(*words)
    end = time.monotonic() + 60
    while not (tmp_path / "out" / "part-00000.parquet").exists() and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("it was done before the signal came")
    assert process.returncode == 1
    with held(FolderStore(tmp_path / "out"), Share()):
        pass
    assert err == "stopped: finished shards are kept; run the same command again to go on\n"
    assert not list((tmp_path / "out").glob(".*aside"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["photos"], "--output"),
        (["photos", "--output", "o", "--engine", "remote"], "--engine remote needs --server"),
        (["photos", "--output", "o", "--shards", "2"], "No such option"),
        (["photos", "--output", "o", "--top-k", "0"], "--top-k"),
    ],
)
def test_wrong_use_ends_with_two(words: list[str], complaint: str) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert complaint in result.output


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "Example: recognition-batch photos/ --output labels.parquet" in " ".join(result.output.split())
