"""How long a test is, and where its figures go.

The fast tier shows that each promise is tested; the long tier (`make test-long`) counts what docs/reliability.md says.
RELIABILITY_FIGURES names a JSON file, to which each long test adds what came out.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

VARIABLE = "RELIABILITY_FIGURES"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Counts and seconds of a test; `strict` where timings are held against their limits too."""

    seconds: float
    count: int
    strict: bool = False

    def __str__(self) -> str:
        return f"{self.count}x{self.seconds:g}s"


def sizes(short: Size, long: Size) -> pytest.MarkDecorator:
    """Runs a test in both tiers."""
    return pytest.mark.parametrize("size", [short, pytest.param(long, marks=pytest.mark.long)], ids=str)


def record(promise: str, size: Size, **figures: object) -> None:
    """Adds a line to the file of figures, where one is named."""
    line = {"promise": promise, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **asdict(size), **figures}
    print(json.dumps(line, default=str))  # noqa: T201 - pytest shows it with -s or where the test fails
    if name := os.environ.get(VARIABLE):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
