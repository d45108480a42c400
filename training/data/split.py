"""Stratified splits that depend on nothing but the labels and a seed."""

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset, Splits
from training.errors import RecipeInvalid

VALIDATION_SHARE = 1 / 12
"""5,000 of Fashion-MNIST's 60,000 training images."""
FEWEST = 2
"""Batch normalisation compares pictures of a batch with each other."""


def stratified_indices(labels: NDArray[np.int64], *, size: int, seed: int) -> NDArray[np.int64]:
    """`size` indices, sorted, with each label in its share of the whole to within one image."""
    if not 0 <= size <= len(labels):
        raise RecipeInvalid(f"cannot choose {size} of {len(labels)} images")
    counts = np.bincount(labels)
    quotas = counts * size / max(len(labels), 1)
    takes = np.floor(quotas).astype(np.int64)
    largest_remainders = np.argsort(takes - quotas, kind="stable")[: size - int(takes.sum())]
    takes[largest_remainders] += 1
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(np.flatnonzero(labels == label))[: takes[label]] for label in range(len(counts))]
    return np.sort(np.concatenate(chosen))


def split(
    dataset: Dataset, *, seed: int, validation_share: float = VALIDATION_SHARE, limit: int | None = None
) -> Splits:
    """Carves the validation split from the training images; the test images stay as published.

    `limit` keeps only so many training images (stratified too), for trials; validation and test are not touched by it.
    """
    validation = stratified_indices(dataset.train.labels, size=round(len(dataset.train) * validation_share), seed=seed)
    if not len(validation) or not len(dataset.test):
        raise RecipeInvalid(
            f"{len(dataset.train)} training and {len(dataset.test)} test pictures are too few: a share of "
            f"{validation_share:.0%} of the training is kept for validation, and neither may be empty"
        )
    rest = np.setdiff1d(np.arange(len(dataset.train)), validation, assume_unique=True)
    train = dataset.train.take(rest)
    if limit is not None and limit < len(train):
        train = train.take(stratified_indices(train.labels, size=limit, seed=seed))
    if len(train) < FEWEST:
        raise RecipeInvalid(f"{len(train)} pictures are left to train on: there must be {FEWEST} or more")
    return Splits(train=train, validation=dataset.train.take(validation), test=dataset.test)
