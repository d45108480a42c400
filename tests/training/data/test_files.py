"""Folders and manifests become data sets; what is no picture is left out and said."""

import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.training.data.photographs import write_folder, write_photograph
from training.config import Preprocessing
from training.data import load
from training.data.files import list_folder, list_manifest
from training.errors import DataDamaged, DataMissing

COLOUR = Preprocessing(pixel_format="rgb8", height=16, width=16, mean=(0.5,) * 3, std=(0.5,) * 3)


def test_a_folder_with_splits_is_loaded_in_the_size_of_the_model(tmp_path: Path) -> None:
    """Classes by name, val as test, and the brightness that was written."""
    dataset = load("folder", write_folder(tmp_path), COLOUR)
    assert dataset.labels == ("day", "night")
    assert dataset.train.pixels.shape == (13, 16, 16, 3)
    assert len(dataset.test) == 7
    assert dataset.notes == ()
    bright = dataset.train.pixels.mean(axis=(1, 2, 3)) > 127
    assert np.array_equal(bright, dataset.train.labels == 0)


def test_without_splits_a_fifth_is_kept_for_the_test(tmp_path: Path) -> None:
    """Stratified, and the same one each time."""
    for index in range(20):
        write_photograph(tmp_path / ("a" if index < 10 else "b") / f"{index}.png", bright=index < 10, seed=index)
    first, again = (load("folder", tmp_path, COLOUR) for _ in range(2))
    assert np.bincount(first.test.labels).tolist() == [2, 2]
    assert np.array_equal(first.test.pixels, again.test.pixels)
    assert first.sha256 == again.sha256


def test_the_digest_covers_names_and_bytes(tmp_path: Path) -> None:
    """A picture that moves to another class makes another data set."""
    before = load("folder", write_folder(tmp_path), COLOUR).sha256
    (tmp_path / "train" / "day" / "1.png").rename(tmp_path / "train" / "night" / "x1.png")
    assert load("folder", tmp_path, COLOUR).sha256 != before


def test_files_that_are_no_pictures_are_left_out_with_a_note(tmp_path: Path) -> None:
    """The note names the first one and the command that lists them."""
    write_folder(tmp_path)
    (tmp_path / "train" / "day" / "broken.jpg").write_bytes(b"<html>not found</html>")
    (tmp_path / "train" / "night" / "notes.txt").write_text("dark")
    dataset = load("folder", tmp_path, COLOUR)
    assert len(dataset.train) == 13
    (note,) = dataset.notes
    assert "2 of 22 files are left out" in note
    assert "broken.jpg" in note
    assert "--scan" in note


def test_a_manifest_names_paths_labels_and_splits(tmp_path: Path) -> None:
    """Relative to itself."""
    write_folder(tmp_path)
    lines = [f"{path.relative_to(tmp_path)},{path.parent.name},{path.parts[-3]}" for path in tmp_path.rglob("*.png")]
    file = tmp_path / "pictures.csv"
    file.write_text("path,label,split\n" + "\n".join(sorted(lines)))
    dataset = load("manifest", file, COLOUR)
    assert (len(dataset.train), len(dataset.test)) == (13, 7)
    assert {entry.split for entry in list_manifest(file)} == {"train", "test"}


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("path,label\na.png,\nb.png,x", DataDamaged, "line 2: the columns path and label"),
        ("file,class\na.png,x", DataDamaged, "needs the columns path and label, .*it has: file, class"),
        ("path;label\na.png;x", DataDamaged, "separated by commas; it has: path;label"),
        ("path,label\na\0.png,x\nb.png,y", DataDamaged, "line 2: the path holds a zero byte"),
        ("path,label\na.png,x", DataMissing, "two or more labels"),
    ],
)
def test_a_manifest_that_says_too_little_is_refused(
    content: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    """With the line."""
    file = tmp_path / "pictures.csv"
    file.write_text(content)
    with pytest.raises(error, match=words):
        list_manifest(file)


def test_a_parquet_manifest_is_read(tmp_path: Path) -> None:
    """Like one in CSV."""
    table = pa.table({"path": ["a.png", "b.png"], "label": ["x", "y"]})
    parquet.write_table(table, tmp_path / "pictures.parquet")
    assert [entry.label for entry in list_manifest(tmp_path / "pictures.parquet")] == ["x", "y"]


def test_a_place_without_classes_is_refused(tmp_path: Path) -> None:
    """With what it takes."""
    with pytest.raises(DataMissing, match=r"two or more classes, such as ants/1\.jpg"):
        list_folder(tmp_path)
    with pytest.raises(DataMissing, match="is not a directory"):
        list_folder(tmp_path / "nowhere")
    with pytest.raises(DataMissing, match="is not a file"):
        list_manifest(tmp_path / "nowhere.csv")


def test_names_that_are_no_text(tmp_path: Path) -> None:
    """A file may have any name; a class may not, since labels are written down."""
    write_folder(tmp_path)
    before = load("folder", tmp_path, COLOUR).sha256
    (tmp_path / "train" / "day" / "1.png").rename(tmp_path / "train" / "day" / os.fsdecode(b"na\xefve.png"))
    assert load("folder", tmp_path, COLOUR).sha256 != before
    (tmp_path / "train" / "day").rename(tmp_path / "train" / os.fsdecode(b"m\xfcde"))
    with pytest.raises(DataDamaged, match=r"class folder .*not UTF-8; rename it"):
        list_folder(tmp_path)


def test_equal_pictures_are_kept_on_one_side(tmp_path: Path) -> None:
    """Each twice: what is kept for the test is in the training under no other name."""
    for index in range(40):
        bright = index % 2 == 0
        write_photograph(tmp_path / ("a" if bright else "b") / f"{index}.png", bright=bright, seed=index // 4)
    dataset = load("folder", tmp_path, COLOUR)
    train, test = ({pixels.tobytes() for pixels in images.pixels} for images in (dataset.train, dataset.test))
    assert len(dataset.test) == 8
    assert not train & test
    assert dataset.notes == ()


def test_a_test_picture_that_is_trained_on_is_noted(tmp_path: Path) -> None:
    """The splits are the user's, so they are left as they are."""
    write_folder(tmp_path)
    shutil.copy(tmp_path / "train" / "day" / "1.png", tmp_path / "val" / "day" / "again.png")
    (note,) = load("folder", tmp_path, COLOUR).notes
    assert "1 pictures are in the training and in the test" in note


def test_validation_pictures_beside_test_pictures_are_not_used(tmp_path: Path) -> None:
    """Neither in a folder nor in a manifest, and that is said."""
    write_folder(tmp_path)
    shutil.copytree(tmp_path / "val", tmp_path / "test")
    dataset = load("folder", tmp_path, COLOUR)
    assert (len(dataset.train), len(dataset.test)) == (13, 7)
    assert "7 validation pictures are not used" in dataset.notes[0]
    rows = "a.png,a,Train\nb.png,b,TEST\nc.png,b, val \nd.png,a,\n"
    (tmp_path / "m.csv").write_text("path,label,split\n" + rows)
    assert [entry.split for entry in list_manifest(tmp_path / "m.csv")] == ["train", "test", "unused", ""]


def test_training_pictures_alone_are_divided(tmp_path: Path) -> None:
    """A folder train/ with classes and nothing beside it."""
    write_folder(tmp_path)
    shutil.rmtree(tmp_path / "val")
    dataset = load("folder", tmp_path, COLOUR)
    assert dataset.labels == ("day", "night")
    assert len(dataset.test) > 0


def test_manifests_of_spreadsheets_and_tables_are_read(tmp_path: Path) -> None:
    """A byte order mark, and labels that are numbers, nought among them."""
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbfpath,label\na.png,0\nb.png,1\n")
    assert [entry.label for entry in list_manifest(tmp_path / "excel.csv")] == ["0", "1"]
    parquet.write_table(pa.table({"path": ["a.png", "b.png"], "label": [0, 1]}), tmp_path / "t.parquet")
    assert [entry.label for entry in list_manifest(tmp_path / "t.parquet")] == ["0", "1"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("latin.csv", b"path,label\nstra\xdfe.png,a\n", "no CSV file in UTF-8"),
        ("broken.parquet", b"PAR1 and nothing more", "cannot be read as Parquet"),
        ("split.csv", b"path,label,split\na.png,a,holdout\nb.png,b,test\n", "line 2: the split 'holdout' is not known"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    """In a line that says where and what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataDamaged, match=said):
        list_manifest(tmp_path / name)
