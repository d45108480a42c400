"""Pictures that lie in files: a folder DIR/class/*.jpg, or a manifest (CSV, Parquet) with the columns path and label.

A folder may have train/ and val/ (or test/) above its classes, a manifest a column split; else a fifth is kept for the
test, stratified, always the same one. The digest covers every path, label and byte.
"""

import csv
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.data.dataset import Dataset, Images
from training.data.division import TEST, divide
from training.data.geometry import fit_picture, turn_polarity
from training.data.picture import read_picture
from training.errors import DataDamaged, DataMissing

if TYPE_CHECKING:
    from training.config import Preprocessing

TRAIN, VALIDATIONS = "train", ("val", "valid", "validation")
TESTS = (TEST, *VALIDATIONS)
"""Without a test split the validation pictures are kept for the test; training carves its own validation split."""
UNUSED = "unused"
NUMERALS = {1: "one", 2: "two"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that is said to be a picture."""

    path: Path
    label: str
    split: str
    """train, test, unused (validation pictures beside test pictures), or empty where nothing says"""


def list_folder(directory: Path, *, fewest: int = 2) -> list[Entry]:
    """Every file in a class folder, in the order of the paths. Raises DataMissing where there are too few classes."""
    if not directory.is_dir():
        raise DataMissing(f"{directory} is not a directory; name one with a folder of pictures for each class")
    entries = [
        Entry(path=path, label=path.relative_to(root).parts[0], split=split)
        for split, root in _roots(directory)
        for path in sorted(root.rglob("*"))
        if path.is_file() and len(path.relative_to(root).parts) > 1 and not path.name.startswith(".")
    ]
    for label in {entry.label for entry in entries}:
        _check_text(label, f"{directory} has a class folder {label!r}")
    if len({entry.label for entry in entries}) < fewest:
        raise DataMissing(
            f"{directory} needs a folder of pictures for each of {NUMERALS[fewest]} or more classes, such as ants/1.jpg"
        )
    return entries


def _roots(directory: Path) -> list[tuple[str, Path]]:
    """Where the class folders lie, with the split that they are."""
    train = directory / TRAIN
    if not train.is_dir() or not any(path.is_dir() for path in train.iterdir()):
        return [("", directory)]  # or one of the classes is called train
    tests = [directory / name for name in TESTS if (directory / name).is_dir()]
    if not tests:
        return [("", train)]
    return [(TRAIN, train), (TEST, tests[0]), *((UNUSED, other) for other in tests[1:])]


def list_manifest(file: Path, *, fewest: int = 2) -> list[Entry]:
    """The rows of a manifest, whose paths are relative to it. Raises DataDamaged for a row that says too little, and
    DataMissing where there are too few labels.
    """
    found = list(_rows(file))
    if found and not {"path", "label"} <= found[0].keys():
        columns = ", ".join(str(name) for name in found[0])
        raise DataDamaged(f"{file} needs the columns path and label, separated by commas; it has: {columns[:80]}")
    rows = [(number, row, _split_of(file, number, row)) for number, row in enumerate(found, start=2)]
    has_test = any(split == TEST for _, _, split in rows)
    entries = []
    for number, row, split in rows:
        path, label = _text(row.get("path")), _text(row.get("label"))
        if not path or not label:
            raise DataDamaged(f"{file}, line {number}: the columns path and label must both be filled in")
        if "\0" in path:
            raise DataDamaged(f"{file}, line {number}: the path holds a zero byte")
        meant = split if split not in VALIDATIONS else UNUSED if has_test else TEST
        entries.append(Entry(path=file.parent / path, label=label, split=meant))
    if len({entry.label for entry in entries}) < fewest:
        raise DataMissing(f"{file} needs rows of {NUMERALS[fewest]} or more labels")
    return entries


def _check_text(text: str, what: str) -> None:
    """Raises DataDamaged for bytes that are no text, which no record could keep."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DataDamaged(f"{what}, whose name is not UTF-8; rename it") from None


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _split_of(file: Path, number: int, row: dict[str, Any]) -> str:
    split = _text(row.get("split")).lower()
    if split == "training":
        return TRAIN
    if split not in {"", TRAIN, *TESTS}:
        known = ", ".join((TRAIN, *TESTS))
        raise DataDamaged(f"{file}, line {number}: the split {split[:32]!r} is not known; write one of {known}")
    return split


def _rows(file: Path) -> Iterable[dict[str, Any]]:
    if not file.is_file():
        raise DataMissing(f"{file} is not a file; name a .csv or .parquet with the columns path and label")
    if file.suffix != ".parquet":
        try:
            with file.open(newline="", encoding="utf-8-sig") as lines:  # spreadsheets begin with a mark
                return list(csv.DictReader(lines))
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataDamaged(f"{file} is no CSV file in UTF-8 ({error}); save it as that") from error
    try:
        from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]  # an optional package
    except ImportError:
        raise DataMissing(
            f"reading {file} needs the package pyarrow: install it, or save the manifest as CSV"
        ) from None
    try:
        rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these kinds
        raise DataDamaged(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    return rows


def load_entries(name: str, place: Path, entries: list[Entry], preprocessing: "Preprocessing") -> Dataset:
    """Reads the pictures in the form of the preprocessing. What cannot be read is left out, with a note that counts."""
    used = [entry for entry in entries if entry.split != UNUSED]
    labels = tuple(sorted({entry.label for entry in used}))
    digest, kept, pixels, skipped = hashlib.sha256(), [], [], []
    for entry in used:
        try:
            content = entry.path.read_bytes()
            picture = read_picture(entry.path, content)
        except (OSError, DataDamaged):
            skipped.append(entry)
            continue
        digest.update(os.fsencode(f"{os.path.relpath(entry.path, place)}\0{entry.label}\0{entry.split}\0"))
        digest.update(hashlib.sha256(content).digest())
        pixels.append(fit_picture(picture, preprocessing))
        kept.append(entry)
    if not kept:
        raise DataDamaged(f"none of the {len(entries)} files of {place} is a picture that can be read")
    turned, inverted = turn_polarity(np.stack(pixels), preprocessing)
    everything = Images(
        pixels=turned,
        labels=np.array([labels.index(entry.label) for entry in kept]),
        files=tuple(entry.path for entry in kept),
    )
    train, test, leak = divide(everything, [entry.split for entry in kept])
    notes = [_left_out(skipped, len(used)), _unused(len(entries) - len(used)), inverted, leak]
    return Dataset(
        name=name, sha256=digest.hexdigest(), directory=place, labels=labels, licence="as its owner says",
        train=train, test=test, notes=tuple(filter(None, notes)),
    )  # fmt: skip


def for_test_only(entries: list[Entry]) -> list[Entry]:
    """Those that are said to be for the test; all, where that is said of none."""
    tests = [entry for entry in entries if entry.split == TEST]
    return tests or [replace(entry, split=TEST) for entry in entries]


def _left_out(skipped: list[Entry], count: int) -> str:
    if not skipped:
        return ""
    return (
        f"{len(skipped)} of {count} files are left out, the first is {skipped[0].path}; "
        "`recognition-train data --scan` lists them"
    )


def _unused(count: int) -> str:
    if not count:
        return ""
    return (
        f"{count} validation pictures are not used: there is a test split, and the validation is carved from training"
    )
