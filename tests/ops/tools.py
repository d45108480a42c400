"""Finds the programs that the checks run, and says which one is missing where a test has to be skipped."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = (Path("/usr/libexec/docker/cli-plugins"), Path("/usr/lib/docker/cli-plugins"))


def tool(*names: str) -> str:
    """Path of the first of these programs that is here. Skips the test without any of them."""
    for name in names:
        if (found := path_of(name)) is not None:
            return found
    pytest.skip(f"{' or '.join(names)} is not installed here")


def path_of(name: str) -> str | None:
    """Beside the interpreter, among Docker's plugins, or on the PATH."""
    beside = Path(sys.executable).parent / name
    places = [beside, *(plugins / name for plugins in PLUGINS)]
    return next((str(place) for place in places if place.exists()), None) or shutil.which(name)


def run(*line: str | Path, input_text: str | None = None) -> str:
    """What a program prints; its complaint is the failure of the test."""
    done = subprocess.run(
        [str(part) for part in line], cwd=ROOT, input=input_text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
