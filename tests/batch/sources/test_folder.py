"""Folders: everything that is not hidden, in one order."""

import os
from pathlib import Path

import pytest

from batch.errors import SourceInvalid
from batch.sources.folder import walk
from batch.sources.location import Location


def ids(folder: Path) -> list[str]:
    return [named.id for named in walk(Location.of(str(folder)))]


def test_the_order_is_that_of_the_names_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.png", "a.png", ".hidden/3.png", "b/.4.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert ids(tmp_path) == ["a.png", "b/1.png", "b/2.png", "notes.txt"]


def test_items_carry_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"12345")
    (named,) = walk(Location.of(str(tmp_path)))
    assert (named.item.path, named.item.size) == (str(tmp_path / "a.png"), 5)
    assert named.item.version == str((tmp_path / "a.png").stat().st_mtime_ns)


def test_a_link_back_ends_nowhere(tmp_path: Path) -> None:
    """Links to other folders are followed."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert ids(tmp_path) == ["a/1.png", "b/1.png"]


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match="cannot be read"):
        ids(tmp_path / "away")


def test_links_to_nothing_are_images_that_cannot_be_read(tmp_path: Path) -> None:
    """Somebody meant one to be there, so a row says that it is not; pipes and the like are nothing."""
    (tmp_path / "a.png").symlink_to("away.png")
    (tmp_path / "b.png").symlink_to("b.png")
    os.mkfifo(tmp_path / "c.png")
    assert ids(tmp_path) == ["a.png", "b.png"]
