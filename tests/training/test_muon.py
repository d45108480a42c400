"""Muon's matrices are orthogonal, and everything else is plain SGD."""

import pytest
import torch
from torch import nn

from training.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(8, 8), (4, 30), (30, 4)])
def test_singular_values_come_close_to_one(shape: tuple[int, int]) -> None:
    """The published iteration brings them to between 0.7 and 1.2, no closer."""
    generator = torch.Generator().manual_seed(0)
    values = torch.linalg.svdvals(orthogonalised(torch.randn(*shape, generator=generator)))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3


def test_the_step_does_not_depend_on_the_size_of_the_gradient() -> None:
    """Unlike SGD's."""
    steps = []
    for scale in (1.0, 1000.0):
        weight = nn.Parameter(torch.zeros(6, 2, 3, 3))
        weight.grad = scale * torch.randn(6, 2, 3, 3, generator=torch.Generator().manual_seed(1))
        Muon([{"params": [weight], "orthogonal": True}], lr=0.1, momentum=0.9).step()
        steps.append(weight.detach())
    assert torch.allclose(steps[0], steps[1], atol=1e-4)


def test_other_parameters_follow_nesterov_sgd() -> None:
    """Number for number."""
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    muon = Muon([{"params": [ours], "weight_decay": 0.1}], lr=0.1, momentum=0.9)
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1)
    for step in range(3):
        for parameter, optimizer in ((ours, muon), (theirs, sgd)):
            parameter.grad = torch.full((5,), float(step + 1))
            optimizer.step()
    assert torch.allclose(ours, theirs)
