"""The layer table of a model: output sizes with the formula that gives them, parameters, multiply-accumulates.

One picture of zeros is sent through the model and every layer is watched, so the table holds for any model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from training.models import Classifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer, in the order of execution."""

    name: str
    kind: str
    output: tuple[int, ...]
    """channels, height, width; or features alone"""
    formula: str
    """how the output size follows from the input size, with the numbers in it; empty where the size is kept"""
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model's layers and their totals, for one picture of shape `input` (channels, height, width)."""

    name: str
    input: tuple[int, int, int]
    parameters: int
    macs: int
    layers: tuple[Layer, ...]


def describe(name: str, model: Classifier) -> Description:
    """Leaves the model as it was; its mode is restored."""
    layers: list[Layer] = []
    watched = [(path, module) for path, module in model.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(_watcher(path, layers)) for path, module in watched]
    training = model.training
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, *model.input_shape, device=next(model.parameters()).device))
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return Description(
        name=name,
        input=model.input_shape,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=sum(layer.macs for layer in layers),
        layers=tuple(layers),
    )


def _watcher(path: str, layers: list[Layer]) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def watch(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
        before, after = arguments[0].shape[1:], output.shape[1:]
        already = any(layer.name == path for layer in layers)
        layers.append(
            Layer(
                name=path,
                kind=type(module).__name__,
                output=tuple(after),
                formula=_formula(module, before, after),
                parameters=0 if already else sum(parameter.numel() for parameter in module.parameters()),
                macs=_macs(module, after),
            )
        )

    return watch


def _macs(module: nn.Module, after: torch.Size) -> int:
    if isinstance(module, nn.Conv2d):
        return after.numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear):
        return after.numel() * module.in_features
    return 0


def _formula(module: nn.Module, before: torch.Size, after: torch.Size) -> str:
    if isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        sides = [_side(module, axis, before[axis + 1], after[axis + 1]) for axis in (0, 1)]
        return sides[0] if sides[0] == sides[1] else f"height {sides[0]}; width {sides[1]}"
    if isinstance(module, nn.Flatten):
        return f"{' * '.join(str(size) for size in before)} = {after.numel()}"
    if isinstance(module, nn.Linear):
        return f"{module.in_features} -> {module.out_features}"
    return ""


def _side(module: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d, axis: int, before: int, after: int) -> str:
    """(W - F + 2P)/S + 1 along one axis; a result that is not whole is shown, and what it is rounded to."""
    kernel, padding, stride = (
        value[axis] if isinstance(value, tuple) else int(value)
        for value in (module.kernel_size, module.padding, module.stride)
    )
    exact = (before - kernel + 2 * padding) / stride + 1
    rounded = "" if exact == after else f" -> {after}"
    return f"({before} - {kernel} + 2*{padding})/{stride} + 1 = {exact:g}{rounded}"
