"""Fashion-MNIST (Zalando, 2017; MIT licence): finds the four IDX files, checks them by SHA-256, loads them.

The release of 31 August 2017 is the only one accepted: the one before it had pictures that were in both the training
and the test split, which lifts results by about 0.4 points. Digests are those of the uncompressed content, since
distributions compress the files anew.
"""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.data.dataset import Dataset, Images
from training.data.idx import parse_idx
from training.errors import DataDamaged

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
LICENCE = "MIT, Copyright 2017 Zalando SE"
TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What the four files must hold, byte for byte."""

    name: str
    digests: dict[str, str]
    """SHA-256 of each file's uncompressed content"""

    @property
    def sha256(self) -> str:
        """SHA-256 of the four digests (hexadecimal, one after the other, in the order of FILES)."""
        return hashlib.sha256("".join(self.digests[file] for file in FILES).encode()).hexdigest()


FULL = Release(
    name="fashion-mnist",
    digests={
        TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)
SAMPLE = Release(
    name="fashion-mnist-sample",
    digests={
        TRAIN_IMAGES: "0e3fdee764d709a8887c3cad88cc596fae3379293ceca506db4ebb82a241fc1c",
        TRAIN_LABELS: "d716611f805a0314a69e1ccc41e72201f590746beb03711107ebba54c3cf2050",
        TEST_IMAGES: "75ed41d2bb2f2c83908b20e0403c3bc1aeaed6f2bb63e890d1faf24504a88069",
        TEST_LABELS: "e4238e556ca57f094a80ec6a85e519a6d0ce5090a0ff409d84de1473160f4d69",
    },
)
RELEASES = (FULL, SAMPLE)


def holds_files(directory: Path) -> bool:
    """Whether all four files are there, compressed or not; their content is checked when they are loaded."""
    return all((directory / f"{file}.gz").is_file() or (directory / file).is_file() for file in FILES)


def load(release: Release, directory: Path) -> Dataset:
    """Reads and checks the release's files. Raises DataDamaged, naming the file."""
    arrays = {file: parse_idx(_verified(release, directory, file), file=file) for file in FILES}
    return Dataset(
        name=release.name,
        sha256=release.sha256,
        directory=directory,
        labels=LABELS,
        licence=LICENCE,
        train=Images(pixels=arrays[TRAIN_IMAGES][..., None], labels=arrays[TRAIN_LABELS].astype(np.int64)),
        test=Images(pixels=arrays[TEST_IMAGES][..., None], labels=arrays[TEST_LABELS].astype(np.int64)),
    )


def _verified(release: Release, directory: Path, file: str) -> bytes:
    content = _read(directory, file)
    digest = hashlib.sha256(content).hexdigest()
    if digest == release.digests[file]:
        return content
    for other in RELEASES:
        if digest == other.digests[file]:
            raise DataDamaged(
                f"{directory} holds {other.name}, not {release.name}; name another directory with --data, "
                f"or ask for it with --dataset {other.name}"
            )
    raise DataDamaged(
        f"{directory / file} is not the file of {release.name}: SHA-256 {digest}, expected {release.digests[file]}. "
        "It may be damaged, or from the release before 2017-08-31, whose splits overlap; "
        "remove it and run `recognition-train data`"
    )


def _read(directory: Path, file: str) -> bytes:
    compressed = directory / f"{file}.gz"
    try:
        if compressed.is_file():
            return gzip.decompress(compressed.read_bytes())
        return (directory / file).read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataDamaged(f"{compressed} is damaged ({error}); remove it and run `recognition-train data`") from error
    except OSError as error:
        raise DataDamaged(f"cannot read {directory / file}: {error.strerror}") from error
