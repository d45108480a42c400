"""Stages cover the model, and are freed from the head down."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from tests.training.models.forms import SMALL_FORMS
from training.config import Transfer
from training.models import build
from training.stages import freeze, frozen_stages, learning_rate_factors, stages_of

TRANSFER = Transfer(source="", sha256="", unfreeze_epochs=3, backbone_factor=0.1)


@pytest.mark.parametrize(("name", "arguments"), SMALL_FORMS)
def test_every_parameter_is_in_exactly_one_stage(name: str, arguments: dict[str, int]) -> None:
    """Of every family."""
    with torch.device("meta"):
        model = build(name, arguments)
    staged = [id(parameter) for stage in stages_of(model) for parameter in stage.module.parameters()]
    assert sorted(staged) == sorted(id(parameter) for parameter in model.parameters())


def test_stages_are_freed_from_the_head_down() -> None:
    """Fewer frozen ones each epoch, none after the third, and always a run from the input."""
    model = build("resnet20")
    names = [stage.name for stage in stages_of(model)]
    frozen = [[stage.name for stage in frozen_stages(model, TRANSFER, epoch)] for epoch in range(5)]
    assert all(now == names[: len(now)] for now in frozen)
    counts = [len(now) for now in frozen]
    assert counts == sorted(counts, reverse=True)
    assert 0 < counts[0] < len(names) - 1
    assert counts[3] == counts[4] == 0


def test_frozen_batch_statistics_stand_still() -> None:
    """Not only the weights: a frozen stage in training mode would drift away from what it was trained on."""
    model = build("resnet20").train()
    frozen = frozen_stages(model, TRANSFER, 0)
    freeze(model, frozen)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    torch.autograd.backward(model(torch.randn(4, 1, 28, 28) * 5).sum())
    kept = tuple(f"{stage.name}." for stage in frozen)
    moved = {name for name, buffer in model.named_buffers() if not torch.equal(buffer, before[name])}
    assert moved
    assert not any(name.startswith(kept) for name in moved)
    assert all((p.grad is None) == name.startswith(kept) for name, p in model.named_parameters())


def test_lower_stages_learn_slower() -> None:
    """From a tenth at the input to the whole rate at the head, in even ratios."""
    factors = list(learning_rate_factors(build("resnet20"), TRANSFER).values())
    assert factors[0] == pytest.approx(0.1)
    assert factors[-1] == 1.0
    ratios = [after / before for before, after in pairwise(factors)]
    assert max(ratios) == pytest.approx(min(ratios))


def test_a_model_without_a_head_of_its_own_has_stages_too() -> None:
    """NiN's last layers are its backbone's."""
    with torch.device("meta"):
        assert all(isinstance(stage.module, nn.Module) for stage in stages_of(build("nin")))
