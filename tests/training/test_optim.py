"""Decay goes where it belongs, the schedule rises and falls, the average follows."""

import pytest
import torch
from torch import nn

from training.config import Optimization, Optimizer, Schedule, Transfer
from training.models import build
from training.optim import WeightAverage, build_optimizer, build_schedule, one_cycle, schedule_factor


@pytest.mark.parametrize("optimizer", list(Optimizer))
def test_biases_and_batch_normalisation_are_not_decayed(optimizer: Optimizer) -> None:
    """With gradients of zero only decayed parameters move."""
    model = build("fashion_cnn")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    build_optimizer(model, Optimization(optimizer=optimizer, learning_rate=0.1, weight_decay=0.1)).step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {"conv1.weight", "conv2.weight", "classifier.weight"}


def test_the_learning_rate_rises_to_its_top_and_falls_to_almost_nothing() -> None:
    """One cycle over all steps, measured on a real optimiser."""
    optimization = Optimization(learning_rate=0.5, warmup_share=0.25)
    optimizer = build_optimizer(nn.Linear(2, 2), optimization)
    schedule = build_schedule(optimizer, optimization, steps=99)
    rates = []
    for _ in range(99):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    top = rates.index(max(rates))
    assert top == 24
    assert max(rates) == pytest.approx(0.5)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 0.005


def test_without_warmup_the_cycle_begins_at_the_top() -> None:
    """No division by zero either."""
    assert one_cycle(0.0, warmup_share=0.0) == 1.0


def test_the_average_forgets_its_random_beginning() -> None:
    """Early steps weigh little, so after ten steps at one place the average is close to it."""
    source, average = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(source.weight, 100.0)
    weights = WeightAverage(source, average, decay=0.999)
    assert average.weight.item() == 100.0
    nn.init.constant_(source.weight, 1.0)
    for _ in range(10):
        weights.update()
    assert average.weight.item() == pytest.approx(1.0, abs=0.01)


def test_the_average_covers_batch_statistics() -> None:
    """Running means are averaged, the count of batches is copied."""
    source, average = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    weights = WeightAverage(source, average, decay=0.5)
    source(torch.tensor([[10.0], [30.0]]))
    weights.update()
    assert source.running_mean is not None
    assert average.running_mean is not None
    assert 0 < average.running_mean.item() <= source.running_mean.item()
    assert average.num_batches_tracked == 1


def test_a_cosine_begins_falling_at_once_and_steps_come_down_by_ten() -> None:
    """After the warm-up, in which both rise."""
    cosine = Optimization(learning_rate=1.0, schedule=Schedule.COSINE, warmup_share=0.1)
    assert schedule_factor(cosine, 0.05) == pytest.approx(0.5, abs=0.01)
    assert schedule_factor(cosine, 0.5) == pytest.approx(0.5)
    step = Optimization(learning_rate=1.0, schedule=Schedule.STEP, warmup_share=0.0)
    assert [schedule_factor(step, at) for at in (0.1, 0.6, 0.9)] == pytest.approx([1, 0.1, 0.01])


def test_a_transfer_gives_each_stage_its_rate() -> None:
    """The head the whole one, the input the tenth part; every parameter is in one group."""
    model = build("fashion_cnn")
    transfer = Transfer(source="", sha256="", backbone_factor=0.1)
    groups = build_optimizer(model, Optimization(learning_rate=1.0), transfer).param_groups
    rates = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    assert rates[id(model.conv1.weight)] == pytest.approx(0.1)  # type: ignore[union-attr]  # a layer
    assert rates[id(model.classifier.weight)] == 1.0
