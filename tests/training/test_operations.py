"""The course's worked examples, and the same by torch."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.nn import functional

from training.operations import adaptive_pool, adaptive_windows, convolve, fitting_sizes, output_size, pool

IMAGE = np.array(
    [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]], dtype=np.float64
)
KERNEL = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=np.float64)


def random_picture(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(0).standard_normal(shape)


def test_the_courses_convolution_by_hand() -> None:
    """5 × 5 with 3 × 3: the first value is 4, and here are all nine."""
    assert convolve(IMAGE[None], KERNEL[None, None])[0].tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_sizes_without_padding_are_n_minus_m_plus_one() -> None:
    """6 × 6 with 3 × 3 gives 4 × 4; padding by one keeps the size of 3 × 3 convolutions."""
    assert output_size(6, 3) == 4
    assert output_size(28, 5, padding=2) == 28
    assert output_size(28, 2, stride=2) == 14


def test_alexnets_224_gives_no_whole_number_and_227_does() -> None:
    """54.25 against 55; 223 would do as well."""
    assert output_size(224, 11, stride=4) == Fraction(217, 4)
    assert output_size(227, 11, stride=4) == 55
    assert fitting_sizes(224, 11, stride=4) == (223, 227)
    assert fitting_sizes(227, 11, stride=4) == (227, 227)


def test_a_picture_of_224_pixels_has_150528_inputs() -> None:
    """Seven neurons that see all of them have more than a million weights."""
    assert 224 * 224 * 3 == 150_528
    assert torch.nn.Linear(150_528, 7, device="meta").weight.numel() > 1_000_000


@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (1, 1), (0, 2), (2, 3)])
def test_a_filter_is_as_deep_as_its_input_and_each_filter_gives_one_map(padding: int, stride: int) -> None:
    """Summed over the channels, as torch does."""
    image, kernels = random_picture(3, 8, 8), random_picture(4, 3, 3, 3)
    ours = convolve(image, kernels, padding=padding, stride=stride)
    theirs = functional.conv2d(
        torch.from_numpy(image)[None], torch.from_numpy(kernels), padding=padding, stride=stride
    )[0]
    assert ours.shape[0] == 4
    assert np.allclose(ours, theirs.numpy())


def test_padding_lets_the_corner_be_seen_as_often_as_its_neighbours() -> None:
    """Without it one window of nine holds the corner, with it four do; the centre is in nine either way."""
    corner, centre = np.zeros((1, 5, 5)), np.zeros((1, 5, 5))
    corner[0, 0, 0] = centre[0, 2, 2] = 1
    ones = np.ones((1, 1, 3, 3))
    assert [convolve(corner, ones, padding=padding).sum() for padding in (0, 1)] == [1, 4]
    assert [convolve(centre, ones, padding=padding).sum() for padding in (0, 1)] == [9, 9]


def test_max_min_and_average_pooling_keep_the_depth() -> None:
    """W_out = (W - F)/S + 1; the minimum is the maximum turned over."""
    image = random_picture(3, 7, 7)
    tensor = torch.from_numpy(image)[None]
    largest = pool(image, "max", kernel=3, stride=2)
    assert largest.shape == (3, 3, 3)
    assert np.allclose(largest, functional.max_pool2d(tensor, 3, 2)[0].numpy())
    assert np.allclose(pool(image, "average", kernel=3, stride=2), functional.avg_pool2d(tensor, 3, 2)[0].numpy())
    assert np.allclose(pool(image, "min", kernel=3, stride=2), -pool(-image, "max", kernel=3, stride=2))


@pytest.mark.parametrize("size", [1, 3, 6])
def test_adaptive_pooling_needs_the_output_size_only(size: int) -> None:
    """Windows floor(i L / O) to ceil((i + 1) L / O), as torch cuts them."""
    image = random_picture(2, 7, 10)
    tensor = torch.from_numpy(image)[None]
    ours, largest = adaptive_pool(image, "average", size=size), adaptive_pool(image, "max", size=size)
    assert np.allclose(ours, functional.adaptive_avg_pool2d(tensor, size)[0].numpy())
    assert np.allclose(largest, functional.adaptive_max_pool2d(tensor, size)[0].numpy())
    assert [(w.start, w.stop) for w in adaptive_windows(7, 3)] == [(0, 3), (2, 5), (4, 7)]


def test_pooling_has_nothing_to_learn() -> None:
    """And convolution has F × F × depth + 1 weights for each filter."""
    assert not list(torch.nn.MaxPool2d(2).parameters())
    assert sum(p.numel() for p in torch.nn.Conv2d(16, 32, 5).parameters()) == (5 * 5 * 16 + 1) * 32
