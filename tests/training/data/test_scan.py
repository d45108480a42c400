"""The scan finds what would spoil a result, and nothing in a clean data set."""

import shutil
from dataclasses import replace
from pathlib import Path

from PIL import Image

from tests.training.data.photographs import write_folder
from training.data import Dataset
from training.data.files import list_folder
from training.data.scan import Scan, scan_dataset, scan_files


def scan(root: Path) -> Scan:
    return scan_files("folder", list_folder(root))


def test_a_clean_folder_has_no_findings(tmp_path: Path) -> None:
    """Only counts."""
    found = scan(write_folder(tmp_path))
    assert (found.images, found.counts, found.findings) == (20, {"day": 12, "night": 8}, ())


def test_files_that_are_no_photographs_are_found(tmp_path: Path) -> None:
    """A page that was saved as a picture, a cut-off one, and a placeholder in a format of its own."""
    day = write_folder(tmp_path) / "train" / "day"
    (day / "page.jpg").write_bytes(b"<html>")
    (day / "cut.png").write_bytes((day / "1.png").read_bytes()[:200])
    Image.new("P", (30, 30)).save(day / "imageNotFound.gif")
    found = dict(scan(tmp_path).unreadable)
    assert {Path(path).name for path in found} == {"page.jpg", "cut.png", "imageNotFound.gif"}
    assert "not a format for photographs" in found[str(day / "imageNotFound.gif")]


def test_duplicates_leaks_and_contradictions_are_told_apart(tmp_path: Path) -> None:
    """Equal pixels under other names, in other formats, in other classes."""
    root = write_folder(tmp_path)
    train, val = root / "train", root / "val"
    shutil.copy(train / "day" / "1.png", train / "day" / "again.png")
    Image.open(val / "day" / "0.png").save(train / "day" / "leaked.bmp")
    shutil.copy(train / "night" / "2.png", train / "day" / "dark.png")
    found = scan(root)
    assert [{Path(path).name for path in group} for group in found.across_splits] == [{"0.png", "leaked.bmp"}]
    assert {"1.png", "again.png"} in [{Path(path).name for path in group} for group in found.duplicates]
    assert [{Path(path).name for path in group} for group in found.conflicting] == [{"2.png", "dark.png"}]
    assert any("in training and test" in line for line in found.findings)


def test_unbalanced_classes_come_with_the_remedy(tmp_path: Path) -> None:
    """From three to one on."""
    found = scan(write_folder(tmp_path, day=30, night=6))
    assert found.imbalance == 5
    assert "--balance" in found.findings[-1]


def test_pictures_in_memory_are_scanned_too(sample: Dataset) -> None:
    """The sample is clean; a test picture that is trained on as well is not."""
    assert scan_dataset(sample).findings == ()
    leaky = replace(sample, test=sample.train.take(sample.train.labels[:1] * 0))
    assert scan_dataset(leaky).across_splits == (("train/0", "test/0"),)
