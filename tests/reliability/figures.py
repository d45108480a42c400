"""How long a test is, and where its figures go.

The fast tier shows that each promise is tested; the long tier (`make test-long`) counts what docs/reliability.md says.
RELIABILITY_FIGURES names a file of JSON lines, to which each test adds what came out; as a command this writes those of
the full counts into the page: `python -m tests.reliability.figures var/reliability.json docs/reliability.md`.
"""

import json
import os
import re
import sys
import time
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path

import pytest

VARIABLE = "RELIABILITY_FIGURES"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
OF_EACH_LINE = ("promise", "at", "seconds", "count", "strict")


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
    text = json.dumps(line, default=lambda value: asdict(value) if is_dataclass(value) else str(value))  # type: ignore[arg-type] # no class
    print(text)  # noqa: T201 - pytest shows it with -s or where the test fails
    if name := os.environ.get(VARIABLE):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def table_of(lines: str) -> str:
    """The newest full count of each promise, as rows."""
    counts = [count for count in map(json.loads, lines.splitlines()) if count["strict"]]
    newest = {count["promise"]: count for count in counts}
    rows = ["| promise | seen on | what came out |", "|---|---|---|"]
    for promise in sorted(newest, key=lambda name: [int(part) for part in re.findall(r"\d+", name)]):
        told = [f"{key.replace('_', ' ')} {_told(value)}" for key, value in newest[promise].items()]
        rows.append(f"| {promise} | {newest[promise]['at'][:10]} | {'; '.join(told[len(OF_EACH_LINE) :])} |")
    return "\n".join(rows)


def _told(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_told(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_told, value))
    if isinstance(value, float) and not value.is_integer() and abs(value) < 1000:
        return f"{value:.4g}"
    return f"{value + 0:,.0f}" if isinstance(value, int | float) else str(value)  # + 0: none is -0


def main(figures: str, page: str) -> None:
    file = Path(page)
    before, rest = file.read_text(encoding="utf-8").split(BEGIN)
    table = table_of(Path(figures).read_text(encoding="utf-8"))
    file.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
