"""Where Fashion-MNIST may lie on this machine, in the order in which the places are tried."""

import os
from pathlib import Path

from training.data.fashion_mnist import FILES, holds_files
from training.errors import DataMissing

SYSTEM_DIRECTORY = Path("/usr/share/datasets/fashion-mnist")
"""Where the Debian package dataset-fashion-mnist puts it."""


def cache_directory() -> Path:
    """$XDG_CACHE_HOME/recognition/fashion-mnist, or the same under ~/.cache."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "recognition" / "fashion-mnist"


def find(directory: Path | None) -> Path | None:
    """The directory with the four files, or None. A directory that the user named is the only place looked at, and
    DataMissing is raised if it does not hold them.
    """
    if directory is not None:
        named = _with_files(directory)
        if named is None:
            raise DataMissing(
                f"{directory} does not hold the data set: it needs {', '.join(f'{file}.gz' for file in FILES)}"
            )
        return named
    for place in (cache_directory(), SYSTEM_DIRECTORY):
        if holds_files(place):
            return place
    return None


def _with_files(directory: Path) -> Path | None:
    """`directory` itself, or torchvision's folder for raw files inside it."""
    for place in (directory, directory / "FashionMNIST" / "raw"):
        if holds_files(place):
            return place
    return None
