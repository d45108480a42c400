"""What a value sees is found by following the picture; here it is checked by changing single pixels."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.receptive_field import Field, ReceptiveFields


class Branches(nn.Module):
    """A wide and a narrow branch, a dilated convolution, a functional pooling: what modules alone do not show."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(1, 1, kernel_size=5, padding=2)
        self.narrow = nn.Conv2d(1, 1, kernel_size=1)
        self.dilated = nn.Conv2d(2, 1, kernel_size=3, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat((self.narrow(x), self.wide(x)), dim=1)
        return functional.avg_pool2d(self.dilated(both), 2)


def followed(model: nn.Module, side: int) -> tuple[Tensor, tuple[Field, Field]]:
    with torch.no_grad(), ReceptiveFields() as fields:
        output = model(fields.follow(torch.zeros(1, 1, side, side)))
        return output, fields.of(output)


def seen_columns(model: nn.Module, side: int, row: int, column: int) -> int:
    """How many columns of the picture change that value of the output."""
    picture = torch.randn(1, 1, side, side, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(picture)[0, 0, row, column], picture)
    return int((gradient[0, 0] != 0).any(dim=0).sum())


def test_the_widest_branch_counts() -> None:
    """5 by 5, then 3 at a distance of 2, then 2: 5 + 4 + 1, and gradients reach just so far."""
    output, (height, width) = followed(Branches(), 20)
    assert (height, width) == (Field(10, 2), Field(10, 2))
    middle = output.shape[2] // 2
    assert seen_columns(Branches(), 20, middle, middle) == 10


@pytest.mark.parametrize("layer", [nn.AdaptiveAvgPool2d(1), nn.Flatten()])
def test_the_whole_map_is_seen_after_it_was_folded(layer: nn.Module) -> None:
    """Nine values at a distance of one, each seeing three."""
    _, (height, _) = followed(nn.Sequential(nn.Conv2d(1, 1, 3), layer), 9)
    assert height.size == 9


def test_a_stride_spreads_what_comes_after_it() -> None:
    """(F - 1) times the jump is added by each layer."""
    assert Field().through(3, 2).through(3, 2).through(3, 1) == Field(15, 4)
