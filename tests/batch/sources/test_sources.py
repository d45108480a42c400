"""What a source is taken for, and that nothing is passed over in silence."""

import zipfile
from pathlib import Path

import pytest

from batch.errors import SourceInvalid
from batch.sources import images_of
from batch.sources.manifest import ManifestColumns


def ids(source: str | Path) -> list[str]:
    return [named.id for named in images_of(str(source), ManifestColumns())]


def test_a_folder_a_pattern_and_a_single_file(pictures: Path) -> None:
    assert len(ids(pictures)) == 30
    assert ids(pictures / "0" / "*.png") == [f"{number:04d}.png" for number in range(0, 30, 2)]
    assert ids(pictures / "0" / "0002.png") == ["0002.png"]


def test_archives_in_a_folder_stand_for_what_they_hold(tmp_path: Path) -> None:
    """With the name of the archive before that of the image; an archive that is the source itself is left out."""
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("a/1.png", b"one")
    assert ids(tmp_path) == ["some.zip/a/1.png"]
    assert ids(tmp_path / "some.zip") == ["a/1.png"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(SourceInvalid, match="no such file or folder"):
        ids(tmp_path / "away")
    with pytest.raises(SourceInvalid, match="no images"):
        ids(tmp_path)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"a.png")
    with pytest.raises(SourceInvalid, match=r"no image, no archive .*\.csv"):
        ids(tmp_path / "list.txt")


def test_a_compressed_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.tar.gz").write_bytes(b"")
    with pytest.raises(SourceInvalid, match="compressed tar"):
        ids(tmp_path)


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "what?.png").write_bytes(b"")
    assert ids(tmp_path / "what?.png") == ["what?.png"]
