"""A step leaves gradients that an optimiser can use, wherever they come from."""

import torch
from torch import nn

from training.step import lay_out_gradients


def test_gradients_get_the_strides_of_their_weights() -> None:
    """Where a kernel is 1 x 1, both layouts are the same numbers in the same order."""
    model = nn.Conv2d(4, 3, kernel_size=1, bias=False)
    values = torch.arange(12.0).view(3, 4, 1, 1)
    model.weight.grad = values.as_strided((3, 4, 1, 1), (4, 1, 4, 4))
    assert model.weight.grad.stride() != model.weight.stride()
    lay_out_gradients(model)
    assert model.weight.grad.stride() == model.weight.stride()
    assert torch.equal(model.weight.grad, values)


def test_gradients_that_lie_otherwise_are_copied() -> None:
    """Where a kernel is 3 x 3, the layouts are different numbers at the same place."""
    model = nn.Conv2d(4, 3, kernel_size=3, bias=False).to(memory_format=torch.channels_last)
    values = torch.arange(108.0).view(3, 4, 3, 3)
    model.weight.grad = values.clone()
    assert model.weight.grad.stride() != model.weight.stride()
    lay_out_gradients(model)
    assert model.weight.grad.stride() == model.weight.stride()
    assert torch.equal(model.weight.grad, values)


def test_weights_without_a_gradient_stay_without() -> None:
    """Those of a frozen layer."""
    model = nn.Linear(2, 2)
    lay_out_gradients(model)
    assert model.weight.grad is None
