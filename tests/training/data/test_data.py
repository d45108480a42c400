"""Data sets are found by name (training/data/__init__.py)."""

import shutil
from pathlib import Path

import pytest

from training.data import load
from training.data.search import cache_directory
from training.errors import DataDamaged, DataMissing, RecipeInvalid
from training.recipes import FASHION_MNIST_INPUT


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    """The user can pick from the error."""
    with pytest.raises(RecipeInvalid, match=r"no data set named imagenet; the data sets are: .*fashion-mnist, .*mnist"):
        load("imagenet")
    with pytest.raises(RecipeInvalid, match="no common size"):
        load("folder", Path())
    with pytest.raises(DataMissing, match="name the manifest with --data"):
        load("manifest", None, FASHION_MNIST_INPUT)


def test_the_sample_is_only_loaded_from_where_the_user_says() -> None:
    """It is never looked for, so it cannot be picked up by accident."""
    with pytest.raises(DataMissing, match="--data DIR"):
        load("fashion-mnist-sample")


def test_what_lies_in_the_cache_is_checked_like_anything_else(
    sample_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache with other files in it is refused, not trained on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(sample_directory, cache_directory())
    with pytest.raises(DataDamaged, match="holds fashion-mnist-sample"):
        load("fashion-mnist")
