"""Pictures that lie in files: a folder DIR/class/*.jpg, or a manifest (CSV, Parquet) with the columns path and label.

A folder may have train/ and val/ (or test/) above its classes, a manifest a column split; else a fifth is kept for the
test, stratified, always the same one. The digest covers every path, label and byte.
"""

import csv
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from training.data.dataset import Dataset, Images
from training.data.geometry import fit_picture
from training.data.split import stratified_indices
from training.errors import DataDamaged, DataMissing

if TYPE_CHECKING:
    from training.config import Preprocessing

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
TRAIN, TESTS = "train", ("test", "val", "valid", "validation")
TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file that is said to be a picture."""

    path: Path
    label: str
    split: str
    """train, test, or empty where nothing says"""


def list_folder(directory: Path) -> list[Entry]:
    """Every file in a class folder, in the order of the paths. Raises DataMissing where there are no classes."""
    if not directory.is_dir():
        raise DataMissing(f"{directory} is not a directory; name one with a folder of pictures for each class")
    tests = [name for name in TESTS if (directory / name).is_dir()]
    if (directory / TRAIN).is_dir() and tests:
        roots = {TRAIN: directory / TRAIN, "test": directory / tests[0]}
    else:
        roots = {"": directory}
    entries = [
        Entry(path=path, label=path.relative_to(root).parts[0], split=split)
        for split, root in roots.items()
        for path in sorted(root.rglob("*"))
        if path.is_file() and len(path.relative_to(root).parts) > 1 and not path.name.startswith(".")
    ]
    if len({entry.label for entry in entries}) < 2:
        raise DataMissing(f"{directory} needs a folder of pictures for each of two or more classes, such as ants/1.jpg")
    return entries


def list_manifest(file: Path) -> list[Entry]:
    """The rows of a manifest, whose paths are relative to it. Raises DataDamaged for a row that says too little."""
    entries = []
    for number, row in enumerate(_rows(file), start=2):
        path, label = str(row.get("path") or ""), str(row.get("label") or "")
        if not path or not label:
            raise DataDamaged(f"{file}, line {number}: the columns path and label must both be filled in")
        split = str(row.get("split") or "")
        entries.append(Entry(path=file.parent / path, label=label, split="test" if split in TESTS else split))
    if len({entry.label for entry in entries}) < 2:
        raise DataMissing(f"{file} needs rows of two or more labels")
    return entries


def _rows(file: Path) -> Iterable[dict[str, Any]]:
    if not file.is_file():
        raise DataMissing(f"{file} is not a file; name a .csv or .parquet with the columns path and label")
    if file.suffix != ".parquet":
        with file.open(newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))
    try:
        from pyarrow import parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]  # an optional package
    except ImportError:
        raise DataMissing(
            f"reading {file} needs the package pyarrow: install it, or save the manifest as CSV"
        ) from None
    rows: list[dict[str, Any]] = parquet.read_table(file).to_pylist()
    return rows


def load_entries(name: str, place: Path, entries: list[Entry], preprocessing: "Preprocessing") -> Dataset:
    """Reads the pictures in the form of the preprocessing. What cannot be read is left out, with a note that counts."""
    labels = tuple(sorted({entry.label for entry in entries}))
    digest, kept, pixels, skipped = hashlib.sha256(), [], [], []
    for entry in entries:
        try:
            content = entry.path.read_bytes()
            picture = read_picture(entry.path, content)
        except (OSError, DataDamaged):
            skipped.append(entry)
            continue
        digest.update(f"{os.path.relpath(entry.path, place)}\0{entry.label}\0{entry.split}\0".encode())
        digest.update(hashlib.sha256(content).digest())
        pixels.append(fit_picture(picture, preprocessing))
        kept.append(entry)
    if not kept:
        raise DataDamaged(f"none of the {len(entries)} files of {place} is a picture that can be read")
    everything = Images(
        pixels=np.stack(pixels),
        labels=np.array([labels.index(entry.label) for entry in kept]),
        files=tuple(entry.path for entry in kept),
    )
    train, test = _divide(everything, kept)
    note = ""
    if skipped:
        note = (
            f"{len(skipped)} of {len(entries)} files are left out, the first is {skipped[0].path}; "
            "`recognition-train data --scan` lists them"
        )
    return Dataset(
        name=name, sha256=digest.hexdigest(), directory=place, labels=labels, licence="as its owner says",
        train=train, test=test, notes=(note,) if note else (),
    )  # fmt: skip


def read_picture(path: Path, content: bytes) -> Image.Image:
    """Decoded whole and turned upright. Raises DataDamaged with the reason."""
    if path.suffix.lower() not in SUFFIXES:
        raise DataDamaged(f"{path.suffix or 'no suffix'}: not a format for photographs")
    try:
        with Image.open(BytesIO(content)) as picture:
            return ImageOps.exif_transpose(picture).convert("L" if picture.mode in {"1", "L"} else "RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataDamaged(f"cannot be decoded: {type(error).__name__}") from error


def _divide(images: Images, entries: list[Entry]) -> tuple[Images, Images]:
    is_test = np.array([entry.split == "test" for entry in entries])
    if not is_test.any():
        chosen = stratified_indices(images.labels, size=round(len(images) * TEST_SHARE), seed=0)
        is_test[chosen] = True
    return images.take(np.flatnonzero(~is_test)), images.take(np.flatnonzero(is_test))
