"""The data set is looked for where the documentation says, in that order."""

import shutil
from pathlib import Path

import pytest

from training.data.search import cache_directory, find
from training.errors import DataMissing


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the user's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_directory()


def test_the_cache_follows_the_environment(cache: Path, tmp_path: Path) -> None:
    """$XDG_CACHE_HOME/recognition/fashion-mnist"""
    assert cache == tmp_path / "cache" / "recognition" / "fashion-mnist"


def test_the_cache_defaults_to_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """~/.cache where the environment says nothing."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory() == tmp_path / ".cache" / "recognition" / "fashion-mnist"


def test_the_cache_is_used_when_it_holds_the_files(cache: Path, sample_directory: Path) -> None:
    """It comes before the system's directory."""
    shutil.copytree(sample_directory, cache)
    assert find(None) == cache


def test_a_named_directory_is_the_only_place_looked_at(cache: Path, sample_directory: Path, tmp_path: Path) -> None:
    """A mistyped --data must not silently fall back on something else."""
    shutil.copytree(sample_directory, cache)
    with pytest.raises(DataMissing, match=r"typo does not hold the data set: it needs train-images-idx3-ubyte.gz"):
        find(tmp_path / "typo")


def test_the_layout_of_torchvision_is_understood(sample_directory: Path, tmp_path: Path) -> None:
    """A root that torchvision filled can be named as it is."""
    raw = tmp_path / "FashionMNIST" / "raw"
    shutil.copytree(sample_directory, raw)
    assert find(tmp_path) == raw
