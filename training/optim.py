"""The optimiser of a recipe, its one-cycle schedule, and the moving average of the weights."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from training.config import Optimization, Optimizer


def build_optimizer(model: nn.Module, optimization: Optimization) -> torch.optim.Optimizer:
    """Weight decay goes to the weights of layers only; biases and batch normalisation (one dimension) go without."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": optimization.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if optimization.optimizer is Optimizer.ADAMW:
        return torch.optim.AdamW(groups, lr=optimization.learning_rate, betas=(optimization.momentum, 0.999))
    return torch.optim.SGD(groups, lr=optimization.learning_rate, momentum=optimization.momentum, nesterov=True)


def build_schedule(optimizer: torch.optim.Optimizer, optimization: Optimization, *, steps: int) -> LambdaLR:
    """To be stepped after each batch, `steps` times in all."""
    return LambdaLR(optimizer, lambda step: one_cycle((step + 1) / (steps + 1), warmup_share=optimization.warmup_share))


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
        for average, source in self._counters:
            average.copy_(source)
