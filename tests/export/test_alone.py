"""Commands that change the same file take turns (export/alone.py)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from export.alone import LOCK_FILE, alone
from export.draft import Draft
from export.errors import PublicationFailed
from export.keep import set_alias
from export.publish import publish
from service.models.repository import ModelRepository

pytest.importorskip("fcntl", reason="needs the system's locks")


def test_eight_at_once_lose_no_alias(draft: Draft, tmp_path: Path) -> None:
    """Each reads what the one before it wrote."""
    publish(draft, tmp_path, prove=lambda _package: None)
    names = [f"alias{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda alias: set_alias(tmp_path, "clothes", alias, 1), names))
    assert ModelRepository(tmp_path).aliases("clothes") == dict.fromkeys(names, 1)
    assert ModelRepository(tmp_path).versions("clothes") == [1]


def test_who_waits_for_too_long_is_told(tmp_path: Path) -> None:
    """By the directory; the next one finds the lock free."""
    with alone(tmp_path), pytest.raises(PublicationFailed, match="another command"), alone(tmp_path, within_seconds=0):
        pass
    with alone(tmp_path, within_seconds=0):
        assert (tmp_path / LOCK_FILE).read_bytes() == b""


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(PublicationFailed, match=r"cannot write to .*nowhere"), alone(tmp_path / "nowhere"):
        pass
