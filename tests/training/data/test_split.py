"""Splits are stratified, disjoint and decided by the seed alone."""

from dataclasses import replace

import numpy as np
import pytest

from training.data import Dataset, split
from training.data.split import stratified_indices
from training.errors import RecipeInvalid


def test_each_label_gets_its_share_to_within_one_image() -> None:
    """Uneven classes keep their proportions, and the total is exact."""
    labels = np.repeat(np.arange(4), [500, 300, 150, 50]).astype(np.int64)
    chosen = stratified_indices(labels, size=111, seed=3)
    counts = np.bincount(labels[chosen], minlength=4)
    assert counts.sum() == len(chosen) == 111
    assert np.all(np.abs(counts - np.array([500, 300, 150, 50]) * 0.111) <= 1)


def test_the_validation_split_is_balanced_and_disjoint_from_training(sample: Dataset) -> None:
    """A twelfth of the 600 training pictures, five of each label, and together they are all of them."""
    labels = np.arange(600, dtype=np.int64) % 10
    validation = stratified_indices(labels, size=50, seed=0)
    assert len(np.unique(validation)) == 50
    splits = split(sample, seed=0)
    assert splits.sizes == {"train": 550, "validation": 50, "test": 300}
    assert np.bincount(splits.validation.labels).tolist() == [5] * 10
    everything = {pixels.tobytes() for pixels in sample.train.pixels}
    train = {pixels.tobytes() for pixels in splits.train.pixels}
    kept = {pixels.tobytes() for pixels in splits.validation.pixels}
    assert train.isdisjoint(kept)
    assert train | kept == everything


def test_the_same_seed_gives_the_same_split_and_another_seed_another(sample: Dataset) -> None:
    """Nothing but labels and seed decides."""
    first, again, other = (split(sample, seed=seed).validation.pixels for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_limit_thins_out_training_only(sample: Dataset) -> None:
    """Trials see fewer training pictures, still as many of each label; validation and test stay whole."""
    splits = split(sample, seed=0, limit=100)
    assert splits.sizes == {"train": 100, "validation": 50, "test": 300}
    assert np.bincount(splits.train.labels).tolist() == [10] * 10
    assert np.array_equal(splits.validation.pixels, split(sample, seed=0).validation.pixels)


def test_more_images_than_there_are_cannot_be_chosen() -> None:
    """An impossible share is refused in words."""
    with pytest.raises(RecipeInvalid, match="cannot choose 3 of 2 images"):
        stratified_indices(np.array([0, 1], dtype=np.int64), size=3, seed=0)


def test_a_data_set_that_leaves_nothing_to_choose_by_is_refused(sample: Dataset) -> None:
    """Rather than an accuracy of nothing."""
    few = replace(sample, train=sample.train.take(np.arange(4)))
    with pytest.raises(RecipeInvalid, match=r"4 training and .* test pictures are too few"):
        split(few, seed=0)


def test_one_picture_is_too_few_to_train_on(sample: Dataset) -> None:
    """Two are enough for a trial."""
    assert len(split(sample, seed=0, limit=2).train) == 2
    with pytest.raises(RecipeInvalid, match="1 pictures are left to train on"):
        split(sample, seed=0, limit=1)
