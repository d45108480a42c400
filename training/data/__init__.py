"""Data sets by name: `load` gives the published pictures, `split` carves the validation split from them."""

from collections.abc import Callable
from pathlib import Path

from training.data import fashion_mnist
from training.data.dataset import Dataset, Images, Splits
from training.data.download import download
from training.data.search import cache_directory, find
from training.data.split import split
from training.errors import DataMissing, RecipeInvalid


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
}


def load(name: str, directory: Path | None = None) -> Dataset:
    """The data set, checked. Without a directory it is looked for in the known places and fetched if it is in none."""
    if name not in DATASETS:
        raise RecipeInvalid(f"there is no data set named {name}; the data sets are: {', '.join(sorted(DATASETS))}")
    return DATASETS[name](directory)


__all__ = ["DATASETS", "Dataset", "Images", "Splits", "load", "split"]
