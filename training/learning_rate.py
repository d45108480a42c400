"""The learning-rate finder (Smith 2017): the loss while the rate rises, and the rate at which it falls fastest.

It runs on a copy; model, optimiser and random numbers are afterwards what they were, bit for bit.
"""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from training.config import Recipe, Schedule
from training.data import Images
from training.loop import Trainer
from training.models import Classifier

LOWEST, HIGHEST = 1e-5, 1.0
SMOOTHING = 0.9
DIVERGED = 4.0
"""The search ends when the smoothed loss is so many times its lowest."""
SETTLED = 10
"""So many losses make the average; the jumps of the first few say nothing of the rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRateCurve:
    """Rising rates with the smoothed loss at each."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def lowest(self) -> float:
        """The rate at the lowest loss; the highest that a schedule may reach, and often too high to stay at."""
        return self.rates[int(np.argmin(self.losses))]

    @property
    def suggestion(self) -> float:
        """Where the loss falls fastest over the logarithm of the rate, on the way down to its lowest."""
        lowest = int(np.argmin(self.losses))
        first = SETTLED if lowest > SETTLED else 0
        slopes = np.gradient(np.array(self.losses), np.log(np.array(self.rates)))
        return self.rates[first + int(slopes[first : lowest + 1].argmin())]


def find_learning_rate(
    model: Classifier, images: Images, recipe: Recipe, *, seed: int, steps: int = 100
) -> LearningRateCurve:
    """One step at each rate from LOWEST to HIGHEST, until the loss diverges."""
    cpu, devices = torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        return _search(copy.deepcopy(model), images, recipe, seed, steps)
    finally:
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)


def _search(model: Classifier, images: Images, recipe: Recipe, seed: int, steps: int) -> LearningRateCurve:
    optimization = replace(recipe.optimization, learning_rate=LOWEST, schedule=Schedule.ONE_CYCLE, ema_decay=None)
    trainer = Trainer(model, images, replace(recipe, optimization=optimization, compile=False), seed=seed)
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for step in range(steps):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (steps - 1))
        loss = trainer.step_at(rate)
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed = average / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smoothed) or (losses and smoothed > DIVERGED * min(losses)):
            break
        rates.append(rate)
        losses.append(smoothed)
    return LearningRateCurve(rates=tuple(rates), losses=tuple(losses))
