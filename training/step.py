"""One step up to the gradients: gather → augment → normalise → mix → forward → loss → backward.

Nothing in it waits for the device, so that a GPU is told of the next steps while it computes, and a step can be
recorded as a graph (training/step_graph.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.augment import augment
from training.config import Recipe
from training.data import Images
from training.device import Precision, hold
from training.distributed import Group
from training.evaluate import as_tensor, channels_last, normalise
from training.mixing import mix
from training.models import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLoss:
    """Of this process's share over the size of the whole batch."""

    total: Tensor
    """auxiliary heads included"""
    main: Tensor


Step = Callable[[Tensor], StepLoss]
"""Indices of the training images of a batch → its loss; leaves the gradients in the parameters."""


class EagerStep:
    """Sends each operation to the device as Python comes to it."""

    def __init__(
        self, model: Classifier, images: Images, recipe: Recipe, *, generator: torch.Generator, precision: Precision,
        group: Group, class_weights: Tensor | None,
    ) -> None:  # fmt: skip
        self._device = next(model.parameters()).device
        self._model, self._recipe, self._generator = model, recipe, generator
        self._precision, self._group = precision, group
        self._pixels = hold(as_tensor(images.pixels), self._device)
        self._labels = torch.from_numpy(images.labels).to(self._device)
        self._class_weights = class_weights
        self._forward = torch.compile(model.with_auxiliaries) if recipe.compile else model.with_auxiliaries

    @property
    def holds_pixels(self) -> bool:
        """Whether the training images are where the model is."""
        return self._pixels.device == self._device

    def __call__(self, indices: Tensor) -> StepLoss:
        pixels = self._pixels[indices.to(self._pixels.device)].to(self._device)
        pixels = augment(pixels, self._recipe.augmentation, self._generator)
        images = normalise(pixels, self._recipe.preprocessing)
        mixed = mix(images, self._recipe.augmentation, self._generator)
        images = images if mixed is None else mixed.images
        labels = self._labels[indices]
        targets: list[tuple[float | Tensor, Tensor]] = [(1.0, labels)]
        if mixed is not None:
            targets = [(mixed.share, labels), (1 - mixed.share, labels[mixed.partners])]
        if self._group.size > 1:
            share, counts = self._group.share(len(indices)).to(self._device), self._group.counts(len(indices))
            images, targets = images[share], [(weight * counts, label[share]) for weight, label in targets]
        return self._gradients(images, targets, len(indices))

    def _gradients(self, images: Tensor, targets: list[tuple[float | Tensor, Tensor]], count: int) -> StepLoss:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._precision is Precision.BF16):
            logits, *auxiliaries = self._forward(channels_last(images))
        loss = main = self._loss(logits, targets, count)
        for auxiliary in auxiliaries:
            loss = loss + self._model.auxiliary_weight * self._loss(auxiliary, targets, count)
        for parameter in self._model.parameters():
            parameter.grad = None
        torch.autograd.backward(loss)
        if self._device.type == "cuda":
            lay_out_gradients(self._model)
        return StepLoss(total=loss.detach(), main=main.detach())

    def _loss(self, logits: Tensor, targets: list[tuple[float | Tensor, Tensor]], count: int) -> Tensor:
        smoothing = self._recipe.optimization.label_smoothing
        losses = [
            weight * functional.cross_entropy(
                logits.float(), labels, self._class_weights, label_smoothing=smoothing, reduction="sum"
            )
            for weight, labels in targets
        ]  # fmt: skip
        return torch.stack(losses).sum() / count


def lay_out_gradients(model: nn.Module) -> None:
    """As the weights are, which the fused optimisers of GPUs insist on.

    Autograd sees to it but for dimensions of size 1 (kernels of 1 x 1, pictures of one channel), whose strides say
    nothing of where a number lies. What lies otherwise all the same is copied.
    """
    for weights in model.parameters():
        gradient, strides = weights.grad, weights.stride()
        if gradient is None or gradient.stride() == strides:
            continue
        sides = zip(weights.shape, gradient.stride(), strides, strict=True)
        if all(size == 1 or found == wanted for size, found, wanted in sides):
            weights.grad = gradient.as_strided(weights.shape, strides)
        else:
            weights.grad = gradient.new_empty_strided(weights.shape, strides).copy_(gradient)
