"""Only the files that were asked for are loaded; anything else is refused by name."""

import gzip
import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from training.data import Dataset
from training.data.fashion_mnist import FILES, FULL, SAMPLE, TEST_LABELS, TRAIN_IMAGES, holds_files, load
from training.data.search import SYSTEM_DIRECTORY
from training.errors import DataDamaged


@pytest.fixture
def copied(sample_directory: Path, tmp_path: Path) -> Path:
    """The sample in a directory that a test may damage."""
    return Path(shutil.copytree(sample_directory, tmp_path / "data"))


def test_the_sample_is_loaded_with_ten_balanced_labels(sample: Dataset) -> None:
    """uint8 pictures, channels last, and the labels of the data set's description."""
    assert sample.train.pixels.shape == (600, 28, 28, 1)
    assert sample.train.pixels.dtype == np.uint8
    assert np.bincount(sample.train.labels).tolist() == [60] * 10
    assert np.bincount(sample.test.labels).tolist() == [30] * 10
    assert sample.labels[0] == "T-shirt/top"
    assert sample.labels[9] == "Ankle boot"


def test_the_digest_of_the_data_set_covers_the_four_files_in_order() -> None:
    """Anyone can compute it again from the published digests."""
    joined = "".join(FULL.digests[file] for file in FILES)
    assert FULL.sha256 == hashlib.sha256(joined.encode()).hexdigest()
    assert FULL.sha256 != SAMPLE.sha256


def test_uncompressed_and_recompressed_files_are_the_same_data_set(copied: Path, sample: Dataset) -> None:
    """Digests are those of the content, so how it is packed does not matter."""
    packed = copied / f"{TRAIN_IMAGES}.gz"
    (copied / TRAIN_IMAGES).write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    labels = copied / f"{TEST_LABELS}.gz"
    labels.write_bytes(gzip.compress(gzip.decompress(labels.read_bytes()), compresslevel=1))
    assert holds_files(copied)
    assert load(SAMPLE, copied).sha256 == sample.sha256


def test_a_changed_pixel_is_refused_with_both_digests(copied: Path) -> None:
    """The error names the file, what was found and what was expected."""
    file = copied / f"{TRAIN_IMAGES}.gz"
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[1000] ^= 1
    file.write_bytes(gzip.compress(bytes(content)))
    found = hashlib.sha256(content).hexdigest()
    with pytest.raises(DataDamaged, match=f"{TRAIN_IMAGES} .*{found}, expected {SAMPLE.digests[TRAIN_IMAGES]}"):
        load(SAMPLE, copied)


def test_a_truncated_file_is_refused(copied: Path) -> None:
    """A download that broke off is named, with what to do."""
    file = copied / f"{TRAIN_IMAGES}.gz"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(DataDamaged, match=r"train-images-idx3-ubyte.gz is damaged .*recognition-train data"):
        load(SAMPLE, copied)


def test_a_file_that_is_no_gzip_is_refused(copied: Path) -> None:
    """A saved error page, for instance."""
    (copied / f"{TRAIN_IMAGES}.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataDamaged, match="is damaged"):
        load(SAMPLE, copied)


def test_the_sample_is_not_taken_for_the_full_data_set(sample_directory: Path) -> None:
    """Nobody reports a result on 300 test images by accident."""
    with pytest.raises(DataDamaged, match="holds fashion-mnist-sample, not fashion-mnist"):
        load(FULL, sample_directory)


@pytest.mark.skipif(not holds_files(SYSTEM_DIRECTORY), reason="the package dataset-fashion-mnist is not installed")
def test_the_packaged_data_set_is_the_fixed_release() -> None:
    """60,000 and 10,000 pictures, none of which is in both, which the first release could not say."""
    dataset = load(FULL, SYSTEM_DIRECTORY)
    train, test = ({picture.tobytes() for picture in split.pixels} for split in (dataset.train, dataset.test))
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.isdisjoint(test)
