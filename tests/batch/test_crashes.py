"""Killed at every step of every file, and at any moment: after resuming, the output is that of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.dataset
import pytest

from batch.store import Step
from tests.batch.conftest import write_names, write_pictures

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "proto", ROOT / "client")))}
FILES = 6
"""Listing, plan, two parts, summary and page."""
RANDOM_KILLS = 70


def content(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if not path.name.startswith((".", "_summary"))}


def crash(source: Path, out: Path, step: str, number: int) -> int:
    script = [sys.executable, "-m", "tests.batch.crashing_job", str(source), str(out), step, str(number)]
    return subprocess.run(script, cwd=ROOT, env=ENVIRONMENT, check=False, timeout=100).returncode


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source `in` and the output `out` of a run that nobody killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_names(folder / "in", [f"{image:03d}.png" for image in range(60)])
    assert crash(folder / "in", folder / "out", "never", 0) == 0
    return folder


def test_killed_before_the_rename(tmp_path: Path, undisturbed: Path) -> None:
    """While a part lies aside; the slow test below has every other step."""
    check_crash(tmp_path, undisturbed, Step.SYNCED, 4)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(1, FILES + 1))
@pytest.mark.parametrize("step", Step)
def test_killed_at_every_named_step(tmp_path: Path, undisturbed: Path, step: Step, number: int) -> None:
    """Thirty kills."""
    check_crash(tmp_path, undisturbed, step, number)


def check_crash(folder: Path, undisturbed: Path, step: Step, number: int) -> None:
    source, expected = undisturbed / "in", content(undisturbed / "out")
    assert crash(source, folder / "out", step, number) == -signal.SIGKILL
    assert content(folder / "out").items() <= expected.items()
    assert crash(source, folder / "out", "never", 0) == 0
    assert content(folder / "out") == expected
    assert not list((folder / "out").glob(".*aside"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_killed_at_random_times(tmp_path: Path, models: Path) -> None:
    """The real command with the real engine, killed seventy times on its way; no shard is begun by two runs at once."""
    source = write_pictures(tmp_path / "in", 3000)
    options = ["--models", str(models), "--shard-size", "60", "--workers", "2"]
    began = time.monotonic()
    assert start(source, tmp_path / "undisturbed", options).wait(600) == 0
    usual = time.monotonic() - began
    chance, kills = random.Random(7), Counter[str]()
    expected = content(tmp_path / "undisturbed")
    round_number = 0
    while kills.total() < RANDOM_KILLS:
        out = tmp_path / f"out-{round_number}"
        round_number += 1
        while True:
            began = time.monotonic()
            process = start(source, out, options)
            try:
                code = process.wait(chance.uniform(0.3, 1.0) * usual)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                there = content(out) if out.exists() else {}
                assert there.items() <= expected.items()
                kills["parts" if any(name.startswith("part-") for name in there) else "before"] += 1
                continue
            assert code == 0
            break
        usual = min(usual, time.monotonic() - began)  # the machine may have been busy when it was measured
        assert content(out) == expected
        ids = pyarrow.dataset.dataset(out).to_table().column("id").to_pylist()
        assert len(ids) == len(set(ids)) == 3000
    assert kills["parts"] >= RANDOM_KILLS // 10, kills


def start(source: Path, out: Path, options: list[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "batch", str(source), "--output", str(out), *options]
    return subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
