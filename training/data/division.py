"""Which pictures of files are for the test, and whether any of them is in the training too."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Images
from training.data.split import stratified_indices

TEST = "test"
TEST_SHARE = 0.2


def divide(images: Images, splits: Sequence[str]) -> tuple[Images, Images, str]:
    """(training, test, a note or nothing). `splits` holds `test` for the pictures that are said to be for it.

    Where none is, a fifth is kept for the test, stratified, always the same one; equal pictures go to one side.
    """
    digests = [hashlib.sha256(pixels.tobytes()).digest() for pixels in images.pixels]
    is_test = np.array([split == TEST for split in splits])
    if not is_test.any():
        is_test = _kept_for_the_test(images.labels, digests)
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    shared = {digests[place] for place in train} & {digests[place] for place in test}
    note = ""
    if shared:
        note = (
            f"{len(shared)} pictures are in the training and in the test, which makes the test look better than it is; "
            "`recognition-train data --scan` lists them"
        )
    return images.take(train), images.take(test), note


def _kept_for_the_test(labels: NDArray[np.int64], digests: Sequence[bytes]) -> NDArray[np.bool_]:
    first: dict[bytes, int] = {}
    for place, digest in enumerate(digests):
        first.setdefault(digest, place)
    different = np.array(list(first.values()))
    chosen = different[stratified_indices(labels[different], size=round(len(different) * TEST_SHARE), seed=0)]
    kept = {digests[place] for place in chosen}
    return np.array([digest in kept for digest in digests])
