"""Memory for the GPU to read: an array of zeros everywhere, and as any other where there is none."""

import numpy as np

from service.engine.pinned import pinned_array


def test_it_is_an_array_of_zeros() -> None:
    """Of bytes, in one piece, to be written to."""
    memory = pinned_array((2, 3, 4, 1), on_gpu=False)
    assert memory.dtype == np.uint8
    assert memory.shape == (2, 3, 4, 1)
    assert memory.flags.c_contiguous
    assert memory.flags.writeable
    assert not memory.any()


def test_without_a_gpu_it_is_memory_all_the_same() -> None:
    """What cannot be page-locked is slower and no error; nothing is left behind when it goes."""
    memory = pinned_array((1, 4, 4, 3), on_gpu=True)
    memory[:] = 7
    assert memory.sum() == 7 * 48
    del memory
    assert pinned_array((0, 4, 4, 3), on_gpu=True).size == 0
