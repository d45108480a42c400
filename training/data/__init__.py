"""Data sets by name: `load` gives the published pictures, `split` carves the validation split from them."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.data import fashion_mnist, torchvision_sets
from training.data.dataset import Dataset, Images, Splits
from training.data.download import download
from training.data.files import Entry, for_test_only, list_folder, list_manifest, load_entries
from training.data.geometry import adapt
from training.data.search import cache_directory, find
from training.data.split import split
from training.errors import DataDamaged, DataMissing, RecipeInvalid

if TYPE_CHECKING:  # a recipe is made of data configurations, so it imports this package
    from training.config import Preprocessing


def _load_fashion_mnist(directory: Path | None) -> Dataset:
    place = find(directory) or download(cache_directory())
    return fashion_mnist.load(fashion_mnist.FULL, place)


def _load_fashion_mnist_sample(directory: Path | None) -> Dataset:
    if directory is None:
        raise DataMissing("the sample is only looked for where you say: name its directory with --data DIR")
    return fashion_mnist.load(fashion_mnist.SAMPLE, find(directory) or directory)


DATASETS: dict[str, Callable[[Path | None], Dataset]] = {
    "fashion-mnist": _load_fashion_mnist,
    "fashion-mnist-sample": _load_fashion_mnist_sample,
    "mnist": partial(torchvision_sets.load, "mnist"),
    "cifar-10": partial(torchvision_sets.load, "cifar-10"),
    "cifar-100": partial(torchvision_sets.load, "cifar-100"),
}
"""Published sets, which have a size of their own."""
LISTINGS: dict[str, Callable[..., list[Entry]]] = {"folder": list_folder, "manifest": list_manifest}
"""Sets of files, which are read in the size that the model takes."""


def load(name: str, directory: Path | None = None, preprocessing: "Preprocessing | None" = None) -> Dataset:
    """The data set, checked. Without a directory it is looked for in the known places and fetched if it is in none.

    With a preprocessing the pictures come in its size and colours; sets of files cannot do without.
    """
    if name in LISTINGS:
        if preprocessing is None:
            raise RecipeInvalid(f"the pictures of a {name} have no common size before a recipe gives them one")
        entries = list_files(name, directory)
        place = directory if directory is not None and directory.is_dir() else (directory or Path()).parent
        return load_entries(name, place, entries, preprocessing)
    if name not in DATASETS:
        known = ", ".join(sorted((*DATASETS, *LISTINGS)))
        raise RecipeInvalid(f"there is no data set named {name}; the data sets are: {known}")
    dataset = DATASETS[name](directory)
    return dataset if preprocessing is None else adapt(dataset, preprocessing)


def load_test(
    name: str, directory: Path | None, preprocessing: "Preprocessing", *, labels: tuple[str, ...]
) -> tuple[Images, tuple[str, ...]]:
    """Test images numbered by the `labels` of a model that was trained on other ones, and the notes of their data set.

    Of sets of files that say nothing of a test, all. Raises DataDamaged for a label that the model does not know.
    """
    if name in LISTINGS:
        entries = for_test_only(list_files(name, directory, fewest=1))
        dataset = load_entries(name, directory or Path(), entries, preprocessing)
    else:
        dataset = load(name, directory, preprocessing)
    unknown = sorted(set(dataset.labels) - set(labels))
    if unknown:
        raise DataDamaged(
            f"{dataset.directory} has the label {unknown[0]!r}, which the run does not know; it knows: "
            f"{', '.join(labels)[:200]}"
        )
    numbers = np.array([labels.index(label) for label in dataset.labels], dtype=np.int64)[dataset.test.labels]
    return replace(dataset.test, labels=numbers), (*dataset.notes, *_absent(labels, set(numbers.tolist())))


def _absent(labels: tuple[str, ...], seen: set[int]) -> list[str]:
    absent = [label for number, label in enumerate(labels) if number not in seen]
    if not absent:
        return []
    named = f"{', '.join(absent)[:200]}; a label without pictures counts as 0 in the macro averages"
    return [f"no picture is labelled {named}"]


def list_files(name: str, place: Path | None, *, fewest: int = 2) -> list[Entry]:
    """The files of a folder or of a manifest. Raises DataMissing where they have fewer labels than `fewest`."""
    if place is None:
        raise DataMissing(f"name the {name} with --data")
    return LISTINGS[name](place, fewest=fewest)


__all__ = ["DATASETS", "LISTINGS", "Dataset", "Images", "Splits", "list_files", "load", "load_test", "split"]
