"""Convolution and pooling as the course defines them: output sizes as exact fractions, and the windows of each pooling.

Plain and slow on purpose: what torch computes is checked against it.
"""

from collections.abc import Callable
from fractions import Fraction
from itertools import product

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]
POOLINGS: dict[str, Callable[[Map], float]] = {
    "max": lambda window: float(window.max()),
    "min": lambda window: float(window.min()),
    "average": lambda window: float(window.mean()),
}


def output_size(width: int, kernel: int, *, padding: int = 0, stride: int = 1) -> Fraction:
    """W_out = (W - F + 2P)/S + 1, not yet rounded."""
    return Fraction(width - kernel + 2 * padding, stride) + 1


def fitting_sizes(width: int, kernel: int, *, padding: int = 0, stride: int = 1) -> tuple[int, int]:
    """The widths next to this one, below and above, for which the output size is whole."""
    left_over = (width - kernel + 2 * padding) % stride
    return width - left_over, width - left_over + (stride if left_over else 0)


def convolve(image: Map, kernels: Map, *, padding: int = 0, stride: int = 1) -> Map:
    """Image (C, H, W) and kernels (K, C, F, F) → (K, H_out, W_out): the sum over all channels of what lies below.

    Strictly a cross-correlation: the kernel is not turned round.
    """
    padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
    side = kernels.shape[-1]
    rows, columns = (int(output_size(size, side, padding=padding, stride=stride)) for size in image.shape[1:])
    result = np.zeros((len(kernels), rows, columns))
    for k, row, column in np.ndindex(*result.shape):
        top, left = row * stride, column * stride
        result[k, row, column] = (padded[:, top : top + side, left : left + side] * kernels[k]).sum()
    return result


def pool(image: Map, kind: str, *, kernel: int, stride: int) -> Map:
    """Image (C, H, W) → (C, H_out, W_out); the depth is kept and nothing is learnt."""
    rows, columns = (int(output_size(size, kernel, stride=stride)) for size in image.shape[1:])
    windows = [[slice(at * stride, at * stride + kernel) for at in range(count)] for count in (rows, columns)]
    return _pool_windows(image, kind, windows[0], windows[1])


def adaptive_pool(image: Map, kind: str, *, size: int) -> Map:
    """Image (C, H, W) → (C, size, size), whatever H and W are."""
    return _pool_windows(image, kind, *(adaptive_windows(length, size) for length in image.shape[1:]))


def adaptive_windows(length: int, size: int) -> list[slice]:
    """Window i of `size` goes from floor(i L / O) to ceil((i + 1) L / O); neighbours may overlap."""
    return [slice(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]


def _pool_windows(image: Map, kind: str, rows: list[slice], columns: list[slice]) -> Map:
    values = [POOLINGS[kind](channel[row, column]) for channel, row, column in product(image, rows, columns)]
    return np.array(values).reshape(len(image), len(rows), len(columns))
