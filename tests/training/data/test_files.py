"""Folders and manifests become data sets; what is no picture is left out and said."""

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
        ("file,class\na.png,x", DataDamaged, "line 2"),
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
