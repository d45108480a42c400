"""MNIST, CIFAR-10 and CIFAR-100 through torchvision: local files first, which it checks; else it downloads them.

Of the CIFAR sets the binary version is read too, which torchvision does not know.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from training.data.cifar_binary import LAYOUTS, holds_files, read
from training.data.dataset import Dataset, Images
from training.data.search import cache_directory
from training.errors import DataMissing

LICENCES = {
    "mnist": "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
    "cifar-10": "none stated; Krizhevsky 2009",
    "cifar-100": "none stated; Krizhevsky 2009",
}
CLASSES = {"mnist": "MNIST", "cifar-10": "CIFAR10", "cifar-100": "CIFAR100"}
Builder = Callable[..., Any]


def load(name: str, directory: Path | None, *, builder: Builder | None = None) -> Dataset:
    """From `directory` only, when the user names one; else from the cache, which is filled if need be."""
    builder = builder or _torchvision(name)
    place = directory or cache_directory().parent / name
    binary = LAYOUTS.get(name)
    if binary is not None and holds_files(binary, place):
        train, test, labels = read(binary, place)
    else:
        parts = [_open(name, builder, place, train=train, download=directory is None) for train in (True, False)]
        train, test = (_images(part) for part in parts)
        labels = tuple(str(label) for label in parts[0].classes)
    digest = hashlib.sha256()
    for images in (train, test):
        digest.update(images.pixels.tobytes() + images.labels.tobytes())
    return Dataset(
        name=name,
        sha256=digest.hexdigest(),
        directory=place,
        labels=labels,
        licence=LICENCES[name],
        train=train,
        test=test,
    )


def _torchvision(name: str) -> Builder:
    import torchvision

    builder: Builder = getattr(torchvision.datasets, CLASSES[name])
    return builder


def _open(name: str, builder: Builder, place: Path, *, train: bool, download: bool) -> Any:
    try:
        return builder(str(place), train=train, download=False)
    except (RuntimeError, OSError) as error:
        if not download:
            raise DataMissing(
                f"{place} does not hold {name} as torchvision lays it out ({str(error).strip()}); "
                "leave out --data to have it downloaded"
            ) from error
    try:
        place.mkdir(parents=True, exist_ok=True)
        return builder(str(place), train=train, download=True)
    except (RuntimeError, OSError) as error:
        raise DataMissing(
            f"{name} is not at {place} and could not be downloaded ({str(error).strip()}); "
            "provide a network, or the directory that torchvision made elsewhere with --data DIR"
        ) from error


def _images(part: Any) -> Images:
    pixels = np.asarray(part.data, dtype=np.uint8)
    labels = np.asarray(part.targets, dtype=np.int64)
    return Images(pixels=pixels[..., None] if pixels.ndim == 3 else pixels, labels=labels)
