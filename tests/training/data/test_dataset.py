"""Pictures and labels stay together."""

import numpy as np

from training.data import Images


def test_taking_indices_keeps_pictures_beside_their_labels() -> None:
    """The order of the indices is the order of the result."""
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    images = Images(pixels=pixels, labels=np.arange(5, dtype=np.int64) * 10)
    taken = images.take(np.array([3, 0], dtype=np.int64))
    assert taken.pixels.ravel().tolist() == [3, 0]
    assert taken.labels.tolist() == [30, 0]
    assert taken.files == ()
    assert len(taken) == 2
