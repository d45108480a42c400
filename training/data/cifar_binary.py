"""The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): one record after another, labels and then pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.dataset import Images
from training.errors import DataDamaged

PIXELS = 3 * 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folder and files of one of the sets; a record begins with `label_bytes` labels, of which the last is fine."""

    folder: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int
    records: int
    """in each training file"""


LAYOUTS = {
    "cifar-10": Layout(
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
        names="batches.meta.txt",
        label_bytes=1,
        records=10_000,
    ),
    "cifar-100": Layout(
        folder="cifar-100-binary",
        train=("train.bin",),
        test="test.bin",
        names="fine_label_names.txt",
        label_bytes=2,
        records=50_000,
    ),
}
TEST_RECORDS = 10_000


def holds_files(layout: Layout, directory: Path) -> bool:
    return all((directory / layout.folder / file).is_file() for file in (*layout.train, layout.test, layout.names))


def read(layout: Layout, directory: Path) -> tuple[Images, Images, tuple[str, ...]]:
    """Training pictures, test pictures and the names of the labels. Raises DataDamaged, naming the file."""
    place = directory / layout.folder
    names = tuple((place / layout.names).read_text(encoding="utf-8").split())
    parts = [_read(place / file, layout, layout.records, len(names)) for file in layout.train]
    train = Images(
        pixels=np.concatenate([part.pixels for part in parts]), labels=np.concatenate([part.labels for part in parts])
    )
    return train, _read(place / layout.test, layout, TEST_RECORDS, len(names)), names


def _read(file: Path, layout: Layout, records: int, labels: int) -> Images:
    content = np.frombuffer(file.read_bytes(), dtype=np.uint8)
    expected = records * (layout.label_bytes + PIXELS)
    if len(content) != expected:
        raise DataDamaged(f"{file} has {len(content):,} bytes, not {expected:,}: fetch it anew")
    rows = content.reshape(records, -1)
    images = Images(
        pixels=rows[:, layout.label_bytes :].reshape(records, 3, 32, 32).transpose(0, 2, 3, 1),
        labels=rows[:, layout.label_bytes - 1].astype(np.int64),
    )
    if int(images.labels.max()) >= labels:
        raise DataDamaged(f"{file} has a label {int(images.labels.max())}, and there are {labels}: fetch it anew")
    return images
