"""The epochs of a run: shuffle → augment → normalise → forward → backward → step."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from training.augment import augment
from training.config import Recipe
from training.data import Images
from training.device import Precision
from training.errors import TrainingFailed
from training.evaluate import as_tensor, normalise
from training.models import Classifier
from training.optim import WeightAverage, build_optimizer, build_schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochResult:
    """What one pass over the training images came to."""

    epoch: int
    """counted from 1"""
    loss: float
    """mean over the images, as optimised: augmented, smoothed"""
    learning_rate: float
    """of the last step"""
    seconds: float


class Trainer:
    """A model, its optimiser and its training images on one device; `run_epoch` is called recipe.epochs times."""

    def __init__(
        self, model: Classifier, images: Images, recipe: Recipe, *, seed: int, precision: Precision = Precision.FP32
    ) -> None:
        self._device = next(model.parameters()).device
        self._recipe = recipe
        self._precision = precision
        self._model = model.to(memory_format=torch.channels_last)
        self._pixels = as_tensor(images.pixels).to(self._device)
        self._labels = torch.from_numpy(images.labels).to(self._device)
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = build_optimizer(model, recipe.optimization)
        self._schedule = build_schedule(
            self._optimizer, recipe.optimization, steps=recipe.epochs * recipe.steps_per_epoch(len(images))
        )
        self._average: WeightAverage | None = None
        self._result = model
        self._epoch = 0
        if recipe.optimization.ema_decay is not None:
            self._result = copy.deepcopy(model)
            self._average = WeightAverage(model, self._result, decay=recipe.optimization.ema_decay)

    @property
    def model(self) -> Classifier:
        """The weights that count: their moving average where the recipe has one."""
        return self._result

    def run_epoch(self, on_step: Callable[[], None] = lambda: None) -> EpochResult:
        """Raises TrainingFailed when the loss is no longer a number."""
        started = time.perf_counter()
        self._model.train()
        total = torch.zeros((), device=self._device)
        learning_rate = 0.0
        order = torch.randperm(len(self._labels), generator=self._generator)
        for indices in torch.split(order, self._recipe.batch_size):
            learning_rate = float(self._schedule.get_last_lr()[0])
            total += self._step(indices.to(self._device)) * len(indices)
            on_step()
        self._epoch += 1
        loss = float(total) / len(self._labels)
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss is {loss} after epoch {self._epoch}: the learning rate "
                f"({self._recipe.optimization.learning_rate}) is too high for this model"
            )
        return EpochResult(
            epoch=self._epoch, loss=loss, learning_rate=learning_rate, seconds=time.perf_counter() - started
        )

    def _step(self, indices: torch.Tensor) -> torch.Tensor:
        pixels = augment(self._pixels[indices], self._recipe.augmentation, self._generator)
        images = normalise(pixels, self._recipe.preprocessing).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            logits, *auxiliaries = self._model.with_auxiliaries(images)
        loss = self._loss(logits, indices)
        for auxiliary in auxiliaries:
            loss = loss + self._model.auxiliary_weight * self._loss(auxiliary, indices)
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update()
        return loss.detach()

    def _loss(self, logits: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(
            logits.float(), self._labels[indices], label_smoothing=self._recipe.optimization.label_smoothing
        )
