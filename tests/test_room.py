"""Before packages are installed: is there room, and else which line is said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def asked(environment: Path, temporary: Path, packages: float, archives: float) -> subprocess.CompletedProcess[str]:
    given = [str(environment), "--packages", str(packages), "--archives", str(archives)]
    return subprocess.run(
        [sys.executable, "-S", str(ROOT / ".ci" / "room.py"), *given],
        env={**os.environ, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_has_room_is_not_mentioned(tmp_path: Path) -> None:
    """Also where the environment is not there yet."""
    done = asked(tmp_path / "not" / "yet", tmp_path, 0.000_001, 0.000_001)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """Both needs of one disk are added up: how much, where, and what to do."""
    done = asked(tmp_path / "env", tmp_path / "temporary", 900_000, 100_000)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("The packages need 1000000.0 GB of the disk of ")
    assert "100000.0 GB of that only while pip works" in line
    assert line.endswith("make setup TMPDIR=/a/folder/on/a/larger/disk")


def test_each_of_two_disks_is_asked(tmp_path: Path) -> None:
    """Linux has a second one in its memory."""
    shared = Path("/dev/shm")  # noqa: S108 - nothing is written there
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second disk here")
    archives = asked(tmp_path, shared, 0.000_001, 1_000_000)
    assert archives.stderr.startswith("pip needs 1000000.0 GB in /dev/shm while it works")
    packages = asked(tmp_path, shared, 1_000_000, 0.000_001)
    assert packages.stderr.startswith(f"The packages need 1000000.0 GB in {tmp_path}")
    assert {archives.returncode, packages.returncode} == {1}


def test_what_is_installed_already_is_not_asked_for_again(tmp_path: Path) -> None:
    """A lock file that changed a little needs a little."""
    with (tmp_path / "library").open("wb") as file:
        file.truncate(10**12)  # a hole: a terabyte that takes no room
    assert asked(tmp_path, tmp_path, 1000, 1_000_000).returncode == 0
