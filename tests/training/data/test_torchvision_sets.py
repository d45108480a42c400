"""torchvision's sets are taken from where they lie; only without a place of the user's is one downloaded."""

from pathlib import Path

import numpy as np
import pytest

from training.data.torchvision_sets import load
from training.errors import DataMissing


class FakeSet:
    """A data set that is there once its file is; made as torchvision makes them."""

    classes = ("cat", "dog")

    def __init__(self, root: str, *, train: bool, download: bool) -> None:
        file = Path(root) / "pictures"
        if download:
            file.touch()
        if not file.is_file():
            raise RuntimeError("Dataset not found or corrupted.")
        self.data = np.full((4 if train else 2, 8, 8, 3), 7 if train else 9, dtype=np.uint8)
        self.targets = [0, 1] * (2 if train else 1)


class UnreachableSet(FakeSet):
    def __init__(self, root: str, *, train: bool, download: bool) -> None:
        if download:
            raise RuntimeError("no route to host")
        super().__init__(root, train=train, download=download)


def test_local_files_are_used(tmp_path: Path) -> None:
    """Pixels, labels and a digest of both."""
    (tmp_path / "pictures").touch()
    dataset = load("cifar-10", tmp_path, builder=UnreachableSet)
    assert dataset.train.pixels.shape == (4, 8, 8, 3)
    assert dataset.test.labels.tolist() == [0, 1]
    assert dataset.labels == ("cat", "dog")
    assert len(dataset.sha256) == 64


def test_a_place_that_the_user_named_is_never_downloaded_to(tmp_path: Path) -> None:
    """The error says what to do."""
    with pytest.raises(DataMissing, match=r"does not hold mnist .*leave out --data"):
        load("mnist", tmp_path, builder=FakeSet)
    assert list(tmp_path.iterdir()) == []


def test_the_cache_is_filled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is local."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataMissing, match=r"could not be downloaded \(no route to host\)"):
        load("cifar-100", None, builder=UnreachableSet)
    assert load("cifar-100", None, builder=FakeSet).directory == tmp_path / "recognition" / "cifar-100"
    assert len(load("cifar-100", None, builder=UnreachableSet).train) == 4
