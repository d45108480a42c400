"""The epochs of a run: shuffle → step up to the gradients (training/step.py) → optimiser, schedule, average."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.balance import class_weights
from training.config import Recipe
from training.data import Images
from training.device import Precision
from training.distributed import Group
from training.errors import TrainingFailed
from training.models import Classifier
from training.optim import WeightAverage, build_optimizer, build_schedule
from training.stages import freeze, frozen_stages
from training.step import EagerStep, Step
from training.step_graph import GraphedStep
from training.watch import LearningWatch

NOT_LEARNING_STEPS = 500
"""A shorter run is looked at after half of its steps, but never before so few that they say nothing."""
FEWEST_STEPS = 20
CHECK_STEPS = 50
"""So often the loss is asked whether it is a number, which waits for the device."""


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
    """A model, its optimiser and its training images on one device; `run_epoch` is called recipe.epochs times.

    `state` after any step and `restore` into a new trainer continue as if nothing had happened, bit for bit on a CPU.
    """

    def __init__(
        self, model: Classifier, images: Images, recipe: Recipe, *, seed: int, precision: Precision = Precision.FP32,
        group: Group | None = None, on_note: Callable[[str], None] = lambda _text: None, classes: int = 0,
        graph: bool = False,
    ) -> None:  # fmt: skip
        """`classes` counts those that no training image has; without it they are as many as the labels show.

        `graph` records steps as CUDA graphs where that can be done: one process that holds its images on a GPU, and
        weights that all learn all the time.
        """
        self._device = next(model.parameters()).device
        self._recipe = recipe
        self._group = group or Group()
        self._on_note = on_note
        self._model = model.to(memory_format=torch.channels_last)
        self._generator = torch.Generator(self._device).manual_seed(seed)
        labels = torch.from_numpy(images.labels).to(self._device)
        balanced = class_weights(labels, classes)
        self._sampling = balanced[labels] if recipe.data.balance == "sampler" else None
        self._class_weights = balanced if recipe.data.balance == "loss" else None
        eager = EagerStep(
            model, images, recipe, generator=self._generator, precision=precision, group=self._group,
            class_weights=self._class_weights,
        )  # fmt: skip
        fixed = recipe.transfer is None and not recipe.compile and self._group.size == 1
        recordable = fixed and self._device.type == "cuda" and eager.holds_pixels
        self._compute: Step = GraphedStep(eager, model, self._generator) if graph and recordable else eager
        self._images = len(images)
        self._optimizer = build_optimizer(model, recipe.optimization, recipe.transfer)
        steps = recipe.epochs * recipe.steps_per_epoch(len(images))
        self._schedule = build_schedule(self._optimizer, recipe.optimization, steps=steps)
        self._watch = LearningWatch(classes=len(balanced), steps=min(NOT_LEARNING_STEPS, max(steps // 2, FEWEST_STEPS)))
        self._average: WeightAverage | None = None
        self._result = model
        self._epoch = self._position = 0
        self._order = torch.empty(0, dtype=torch.int64)
        self._total = torch.zeros((), device=self._device)
        self._learning_rate = 0.0
        if recipe.optimization.ema_decay is not None:
            self._result = copy.deepcopy(model)
            self._average = WeightAverage(model, self._result, decay=recipe.optimization.ema_decay)

    @property
    def model(self) -> Classifier:
        """The weights that count: their moving average where the recipe has one."""
        return self._result

    def run_epoch(self, on_step: Callable[[], None] = lambda: None) -> EpochResult:
        """From the beginning, or from where a restored state broke off. Raises TrainingFailed, within CHECK_STEPS, for
        a loss that is no number, and at the end for weights that are none.
        """
        started = time.perf_counter()
        self._model.train()
        if self._recipe.transfer is not None:
            freeze(self._model, frozen_stages(self._model, self._recipe.transfer, self._epoch))
        if not self._position:
            self._order = self._draw_order()
            self._total = torch.zeros((), device=self._device)
        while self._position < len(self._order):
            indices = self._order[self._position : self._recipe.batch_end(self._position, len(self._order))]
            self._learning_rate = float(self._optimizer.param_groups[-1]["lr"])
            self._total += self._step(indices) * len(indices)
            self._position += len(indices)
            if -(-self._position // self._recipe.batch_size) % CHECK_STEPS == 0:
                self.check(float(self._group.sum(self._total.clone())))
            on_step()
        total = float(self._group.sum(self._total))
        self.check(total)
        self._epoch, self._position = self._epoch + 1, 0
        self._group.share_buffers(self._result)
        self._check_weights()  # no loss has told of what the last step did to them
        return EpochResult(
            epoch=self._epoch, loss=total / len(self._order), learning_rate=self._learning_rate,
            seconds=time.perf_counter() - started,
        )  # fmt: skip

    def check(self, loss: float) -> None:
        """Raises TrainingFailed for what is no number. One sum tells for all steps so far: it stays none."""
        if not math.isfinite(loss):
            raise TrainingFailed(
                f"the loss is {loss} in epoch {max(self._epoch + bool(self._position), 1)}: the learning rate "
                f"({self._recipe.optimization.learning_rate:g}) is too high for this model; begin anew with a lower "
                "one: --learning-rate RATE --force"
            )

    def _check_weights(self) -> None:
        """Their average and the batch statistics too."""
        kept = [*self._model.parameters(), *self._result.state_dict().values()]
        weights = torch.stack([tensor.detach().sum().float() for tensor in kept])
        self.check(float(self._total + weights.sum() * 0))  # 0 times infinity is no number either

    @property
    def epoch(self) -> int:
        """How many are finished."""
        return self._epoch

    def step_at(self, learning_rate: float) -> float:
        """One step on a random batch at a rate outside of the schedule; the loss. For the learning-rate finder."""
        self._model.train()
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        indices = torch.randint(
            self._images, (self._recipe.batch_size,), generator=self._generator, device=self._device
        )
        return float(self._step(indices))

    def state(self) -> dict[str, Any]:
        """Everything that decides how training goes on: weights, optimiser, schedule, average, randomness, place.

        Raises TrainingFailed for weights that are no numbers: nothing could go on from them.
        """
        self._check_weights()
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "generator": self._generator.get_state(),
            "torch": torch.get_rng_state(),
            "place": {"epoch": self._epoch, "position": self._position, "order": self._order, "total": self._total,
                      "learning_rate": self._learning_rate},
            "watch": self._watch.state(),
        }  # fmt: skip
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        if self._average is not None:
            state["average"] = {"model": self._result.state_dict(), "steps": self._average.state()}
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Into a trainer that was made from the same recipe, seed and images."""
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._schedule.load_state_dict(state["schedule"])
        self._generator.set_state(state["generator"])
        torch.set_rng_state(state["torch"])
        if "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"], self._device)
        place = state["place"]
        self._epoch, self._position = place["epoch"], place["position"]
        self._order = place["order"].to(self._device)
        self._total = place["total"].to(self._device)
        self._learning_rate = place.get("learning_rate", 0.0)
        self._watch.restore(state["watch"])
        if self._average is not None:
            self._result.load_state_dict(state["average"]["model"])
            self._average.restore(state["average"]["steps"])

    def _draw_order(self) -> Tensor:
        if self._sampling is None:
            order = torch.randperm(self._images, generator=self._generator, device=self._device)
        else:
            order = torch.multinomial(self._sampling, self._images, replacement=True, generator=self._generator)
        return self._group.share_order(order)

    def _step(self, indices: Tensor) -> Tensor:
        """The summed loss of this process's share over the size of the whole batch."""
        loss = self._compute(indices)
        self._advance()
        if note := self._watch.see(loss.main * self._group.size):
            self._on_note(note)
        return loss.total

    def _advance(self) -> None:
        self._group.sum_gradients(self._model.parameters())
        if self._recipe.optimization.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.optimization.clip_norm)
        self._optimizer.step()
        self._schedule.step()
        if self._average is not None:
            self._average.update()
