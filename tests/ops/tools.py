"""Finds the programs that the checks run, and says which one is missing where a test has to be skipped."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = (Path("/usr/libexec/docker/cli-plugins"), Path("/usr/lib/docker/cli-plugins"))


def tool(name: str) -> str:
    """Path of a program: beside the interpreter, on the PATH, or among Docker's plugins. Skips the test without it."""
    beside = Path(sys.executable).parent / name
    places = [beside, *(plugins / name for plugins in PLUGINS)]
    found = next((str(place) for place in places if place.exists()), None) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def run(*line: str | Path, input_text: str | None = None) -> str:
    """What a program prints; its complaint is the failure of the test."""
    done = subprocess.run(
        [str(part) for part in line], cwd=ROOT, input=input_text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
