"""Tar and zip archives: which members are images, and where their bytes lie."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from batch.errors import SourceInvalid
from batch.sources.archive import members
from batch.sources.location import Location


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_a_tar_shard_has_images_and_what_lies_beside_them(tmp_path: Path) -> None:
    write_tar(tmp_path / "s.tar", {"1.jpg": b"one", "1.cls": b"0", "2.PNG": b"second", ".3.jpg": b"x", "d/4.webp": b""})
    found = list(members(Location.of(str(tmp_path / "s.tar"))))
    assert [named.id for named in found] == ["1.jpg", "2.PNG", "d/4.webp"]
    content = (tmp_path / "s.tar").read_bytes()
    item = found[1].item
    assert item.offset is not None
    assert content[item.offset : item.offset + 6] == b"second"
    assert item.version is not None


def test_every_file_of_a_zip_is_an_image(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.mkdir("d")
        archive.writestr("d/1.jpg", b"one")
        archive.writestr("notes.txt", b"two")
        archive.writestr("__MACOSX/1.jpg", b"three")
    found = list(members(Location.of(str(tmp_path / "s.zip"))))
    assert [(named.id, named.item.size) for named in found] == [("d/1.jpg", 3), ("notes.txt", 3)]


@pytest.mark.parametrize("name", ["s.tar", "s.zip"])
def test_damaged_archives_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(SourceInvalid, match="no whole"):
        list(members(Location.of(str(tmp_path / name))))
    with pytest.raises(SourceInvalid, match="cannot be read"):
        list(members(Location.of(str(tmp_path / "away" / name))))
