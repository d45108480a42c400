"""Where packages lie until they are published, and what killed exports leave there (export/staging.py)."""

import os
import time
from pathlib import Path

import pytest

from export.staging import STALE_SECONDS, remove_stale, staging


def aged(directory: Path, seconds: float) -> Path:
    """As if it had lain there for so long."""
    directory.mkdir(exist_ok=True)
    (directory / "model.onnx").write_text("")
    for path in (directory / "model.onnx", directory):
        os.utime(path, (time.time() - seconds,) * 2)
    return directory


def test_it_is_gone_at_the_end_unless_it_was_renamed(tmp_path: Path) -> None:
    """With what is in it."""
    with staging(tmp_path) as one, staging(tmp_path) as other:
        (one / "file").write_text("")
        other.rename(tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_what_killed_exports_left_is_removed(tmp_path: Path) -> None:
    """Not what is young, nor anything else."""
    aged(tmp_path / ".publishing-a", STALE_SECONDS + 60)
    aged(tmp_path / ".removing-b", STALE_SECONDS + 60)
    aged(tmp_path / ".publishing-young", STALE_SECONDS - 60)
    aged(tmp_path / "1", 10 * STALE_SECONDS)
    remove_stale(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".publishing-young", "1"]


@pytest.mark.skipif(os.name != "posix", reason="needs its locks")
def test_what_somebody_holds_stays_however_old_it_is(tmp_path: Path) -> None:
    """An export that takes hours."""
    with staging(tmp_path) as held:
        aged(held, 10 * STALE_SECONDS)
        remove_stale(tmp_path)
        assert held.is_dir()
    assert list(tmp_path.iterdir()) == []
