"""The optimiser of a recipe, its schedule, and the moving average of the weights."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from training.config import Optimization, Optimizer, Schedule, Transfer
from training.models import Classifier
from training.muon import Muon
from training.stages import learning_rate_factors

STEP_MILESTONES = (0.5, 0.75)
"""Parts of a run after which the schedule `step` goes down to a tenth."""


def build_optimizer(
    model: nn.Module, optimization: Optimization, transfer: Transfer | None = None
) -> torch.optim.Optimizer:
    """Weight decay goes to the weights of layers only; biases and batch normalisation (one dimension) go without.

    With a transfer the stages of the model learn at rates of their own.
    """
    head = {id(p) for p in model.classifier.parameters()} if isinstance(model, Classifier) else set()
    factors = _factors(model, transfer)
    groups: dict[tuple[float, bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim > 1
        orthogonal = matrix and id(parameter) not in head and optimization.optimizer is Optimizer.MUON
        groups.setdefault((factors(name), matrix, orthogonal), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": optimization.learning_rate * factor,
            "weight_decay": optimization.weight_decay if matrix else 0.0,
            **({"orthogonal": orthogonal} if optimization.optimizer is Optimizer.MUON else {}),
        }
        for (factor, matrix, orthogonal), parameters in groups.items()
    ]
    if optimization.optimizer is Optimizer.ADAMW:
        betas = (optimization.momentum, 0.999)
        return torch.optim.AdamW(settings, lr=optimization.learning_rate, betas=betas, fused=True)
    if optimization.optimizer is Optimizer.MUON:
        return Muon(settings, lr=optimization.learning_rate, momentum=optimization.momentum)
    momentum = optimization.momentum
    return torch.optim.SGD(settings, lr=optimization.learning_rate, momentum=momentum, nesterov=True, fused=True)


def _factors(model: nn.Module, transfer: Transfer | None) -> Callable[[str], float]:
    """Part of the learning rate for a parameter's name."""
    if transfer is None or not isinstance(model, Classifier):
        return lambda _name: 1.0
    factors = learning_rate_factors(model, transfer)
    return lambda name: next(factor for stage, factor in factors.items() if name.startswith(f"{stage}."))


def build_schedule(optimizer: torch.optim.Optimizer, optimization: Optimization, *, steps: int) -> LambdaLR:
    """To be stepped after each batch, `steps` times in all."""
    return LambdaLR(optimizer, lambda step: schedule_factor(optimization, (step + 1) / (steps + 1)))


def schedule_factor(optimization: Optimization, progress: float) -> float:
    """Part of the highest learning rate at `progress` in (0, 1)."""
    share = optimization.warmup_share
    if optimization.schedule is Schedule.ONE_CYCLE:
        return one_cycle(progress, warmup_share=share)
    warmup = min(1.0, progress / share) if share else 1.0
    if optimization.schedule is Schedule.COSINE:
        return warmup * (1 + math.cos(math.pi * progress)) / 2
    return warmup * 0.1 ** sum(progress >= milestone for milestone in STEP_MILESTONES)


def one_cycle(progress: float, *, warmup_share: float) -> float:
    """Part of the highest learning rate at `progress` in (0, 1): a line up, then half a cosine down to zero."""
    if progress < warmup_share:
        return progress / warmup_share
    return (1 + math.cos(math.pi * (progress - warmup_share) / (1 - warmup_share))) / 2


class WeightAverage:
    """Exponential moving average of a model's weights and batch statistics, kept in a second model.

    The decay rises from 0.1 to its full value over the first steps, so that a short run is not dragged back by its
    random beginning.
    """

    def __init__(self, source: nn.Module, average: nn.Module, *, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        target, origin = average.state_dict(), source.state_dict()
        self._pairs = [(target[name], origin[name]) for name in origin if origin[name].is_floating_point()]
        self._counters = [(target[name], origin[name]) for name in origin if not origin[name].is_floating_point()]
        average.load_state_dict(origin)

    @torch.no_grad()
    def update(self) -> None:
        self._steps += 1
        decay = min(self._decay, self._steps / (9 + self._steps))
        torch._foreach_lerp_([a for a, _ in self._pairs], [s for _, s in self._pairs], 1 - decay)
        if self._counters:
            torch._foreach_copy_([a for a, _ in self._counters], [s for _, s in self._counters])

    def state(self) -> int:
        """What the two models do not hold."""
        return self._steps

    def restore(self, steps: int) -> None:
        self._steps = steps
