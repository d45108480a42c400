"""Bytes of items, whatever they lie in."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import fsspec
import pytest

from batch.errors import SourceChanged
from batch.fault import Fault
from batch.item import Item
from batch.reader import Reader
from batch.sources import images_of
from batch.sources.manifest import ManifestColumns

CONTENTS = [bytes([number]) * (number + 1) for number in range(20)]


def write(folder: Path, kind: str) -> str:
    """The same twenty contents in a folder, an archive or object storage; returns the source."""
    names = [f"{number:02d}.png" for number in range(20)]
    match kind:
        case "folder":
            for name, content in zip(names, CONTENTS, strict=True):
                (folder / name).write_bytes(content)
            return str(folder)
        case "tar":
            with tarfile.open(folder / "s.tar", "w") as archive:
                for name, content in zip(names, CONTENTS, strict=True):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
            return str(folder / "s.tar")
        case "zip":
            with zipfile.ZipFile(folder / "s.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
                for name, content in zip(names, CONTENTS, strict=True):
                    zipped.writestr(name, content)
            return str(folder / "s.zip")
        case _:
            storage = fsspec.filesystem("memory")
            for name, content in zip(names, CONTENTS, strict=True):
                storage.pipe_file(f"/reader-test/{name}", content)
            return "memory://reader-test"


def items(source: str) -> list[Item]:
    return [named.item for named in images_of(source, ManifestColumns())]


@pytest.mark.parametrize("kind", ["folder", "tar", "zip", "objects"])
def test_what_was_written_is_read_and_the_large_ones_are_not(tmp_path: Path, kind: str) -> None:
    found = Reader(max_bytes=15).read(items(write(tmp_path, kind)))
    assert found[:15] == CONTENTS[:15]
    assert found[15:] == [
        Fault("IMAGE_TOO_LARGE", f"The image has {size} bytes; at most 15 are accepted.") for size in range(16, 21)
    ]


def test_kinds_may_be_mixed(tmp_path: Path) -> None:
    """A manifest may name anything; the order stays."""
    (tmp_path / "a").mkdir()
    local, remote = items(write(tmp_path / "a", "folder")), items(write(tmp_path, "objects"))
    mixed = [item for pair in zip(local, remote, strict=True) for item in pair]
    found = Reader(max_bytes=100).read(mixed)
    assert found == [content for content in CONTENTS for _ in range(2)]


def test_what_a_manifest_names_may_be_missing(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/reader-test/there.png", b"123456789")
    (tmp_path / "large.png").write_bytes(b"1234567")
    os.mkfifo(tmp_path / "pipe.png")
    missing = [
        Item(path=str(tmp_path / "away.png")),
        Item(path=str(tmp_path)),
        Item(path=str(tmp_path / "large.png" / "1.png")),
        Item(path=f"{tmp_path}/{'long' * 100}.png"),
        Item(path=f"{tmp_path}/\0.png"),
        Item(path=str(tmp_path / "pipe.png")),
        Item(path=str(tmp_path / "large.png")),
        Item(path="memory://reader-test/there.png"),
    ]
    found = Reader(max_bytes=5).read(missing)
    reasons = [fault.reason for fault in found if isinstance(fault, Fault)]
    assert reasons == ["FILE_UNREADABLE"] * 6 + ["IMAGE_TOO_LARGE"] * 2


def test_a_listed_file_that_is_gone_or_another_one_ends_the_job(tmp_path: Path) -> None:
    listed = items(write(tmp_path, "folder"))
    (tmp_path / "03.png").unlink()
    with pytest.raises(SourceChanged, match=r"03.png was there"):
        Reader(max_bytes=100).read(listed)
    (tmp_path / "03.png").write_bytes(b"more than before")
    with pytest.raises(SourceChanged, match="another size"):
        Reader(max_bytes=100).read(listed)


def test_a_damaged_member_of_a_zip_is_a_row(tmp_path: Path) -> None:
    source = write(tmp_path, "zip")
    found = items(source)
    path = Path(source)
    content = bytearray(path.read_bytes())
    first = 30 + len("00.png")  # behind the first header
    content[first : first + 2] = b"\xff\xff"
    path.write_bytes(content)
    (fault, whole) = Reader(max_bytes=100).read([found[0], found[1]])
    assert isinstance(fault, Fault)
    assert whole == CONTENTS[1]
