"""The page gets what the full counts gave."""

import json
from pathlib import Path

import pytest

from tests.reliability.figures import BEGIN, END, VARIABLE, Size, main, record
from tests.reliability.observed import Holdings


def test_the_newest_full_counts_are_put_into_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the promises; short forms are left out, and what stands around the table stays."""
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    monkeypatch.setenv(VARIABLE, str(figures))
    full = Size(seconds=1, count=1000, strict=True)
    record("R10 slow clients", full, share=0.93)
    record("R4 cancellation", full, ended={"OK": 400, "CANCELLED": 600})
    record("R4 cancellation", full, ended={"OK": 1}, before=Holdings(megabytes=2.25, threads=3, descriptors=4))
    record("R5 SIGTERM", Size(seconds=1, count=1), lost=1)
    page.write_text(f"above\n{BEGIN}\nold\n{END}\nbelow\n", encoding="utf-8")
    main(str(figures), str(page))
    day = json.loads(figures.read_text(encoding="utf-8").splitlines()[0])["at"][:10]
    assert page.read_text(encoding="utf-8").splitlines() == [
        *("above", BEGIN, "| promise | seen on | what came out |", "|---|---|---|"),
        f"| R4 cancellation | {day} | ended OK 1; before megabytes 2.25, threads 3, descriptors 4 |",
        f"| R10 slow clients | {day} | share 0.93 |",
        *(END, "below"),
    ]
