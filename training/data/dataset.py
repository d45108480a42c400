"""A labelled data set in memory: uint8 pictures, channels last, with their labels and where they came from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Pictures of one split, in a fixed order."""

    pixels: NDArray[np.uint8]
    """(N, height, width, channels)"""
    labels: NDArray[np.int64]
    """(N,), each an index into the data set's labels"""
    files: tuple[Path, ...] = ()
    """(N,), where each was read from; empty for sets that are no files of pictures"""

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "Images":
        files = tuple(self.files[index] for index in indices) if self.files else ()
        return Images(pixels=self.pixels[indices], labels=self.labels[indices], files=files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set as it was published: training and test pictures, checked against a known digest."""

    name: str
    sha256: str
    """Digest of the whole data set, the same wherever and however the files are stored."""
    directory: Path
    labels: tuple[str, ...]
    licence: str
    train: Images
    test: Images
    notes: tuple[str, ...] = ()
    """What was changed or left out on the way, as sentences for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """What a run trains on, chooses by, and reports once at the end."""

    train: Images
    validation: Images
    test: Images

    @property
    def sizes(self) -> dict[str, int]:
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}
