"""The layer table of a model: output sizes with the formula that gives them, parameters, MACs, receptive fields.

A picture without content is sent through the model (on torch's meta device, so nothing is computed) and every layer and
every operation between layers is watched: the table holds for any model.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import signature
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from training.errors import RecipeInvalid
from training.models import MODELS, Classifier, build
from training.operations import fitting_sizes, output_size
from training.receptive_field import ReceptiveFields

OPERATIONS = {
    "add": "add",
    "cat": "concatenate",
    "relu": "ReLU",
    "constant_pad_nd": "pad",
    "max_pool2d_with_indices": "MaxPool2d",
    "avg_pool2d": "AvgPool2d",
    "_adaptive_avg_pool2d": "AdaptiveAvgPool2d",
    "mean": "AdaptiveAvgPool2d",
}
"""Operations that get a row of their own when a model calls them between its layers."""
Window = nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer, in the order of execution."""

    name: str
    kind: str
    output: tuple[int, ...]
    """channels, height, width; or features alone"""
    formula: str
    """how the output size follows from the input size, with the numbers in it; empty where the size is kept"""
    note: str
    """what a size that is not whole means; else empty"""
    parameters: int
    macs: int
    receptive_field: tuple[int, int]
    """height and width of what one value can see, in pixels of the picture; padding counts, so it may be larger"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model's layers and their totals, for one picture of shape `input` (channels, height, width)."""

    name: str
    input: tuple[int, int, int]
    parameters: int
    macs: int
    layers: tuple[Layer, ...]

    @property
    def auxiliary(self) -> int:
        """Parameters of heads that only training uses: the layers lack them."""
        return self.parameters - sum(layer.parameters for layer in self.layers)


def parse_shape(text: str | None) -> tuple[int, int, int] | None:
    """Channels, height and width from a text like 3x224x224."""
    parts = text.lower().split("x") if text is not None else []
    if text is None:
        return None
    if len(parts) != 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise RecipeInvalid(f"--input {text}: give channels, height and width, such as 3x224x224")
    return int(parts[0]), int(parts[1]), int(parts[2])


def build_for(name: str, shape: tuple[int, int, int] | None, *, classes: int | None = None) -> Classifier:
    """A model without weights for pictures of that shape; None is the shape, or the classes, it was drawn for."""
    arguments = {} if classes is None else {"classes": classes}
    with torch.device("meta"):
        model = build(name, arguments)
        if shape is None or shape == model.input_shape:
            return model
        channels, height, width = shape
        if height != width:
            raise RecipeInvalid(f"--input {channels}x{height}x{width}: the models of the course take square pictures")
        side = model.input_shape[1]
        if height == side:
            return build(name, {**arguments, "channels": channels})
        if "size" not in signature(MODELS[name]).parameters:
            raise RecipeInvalid(f"--input {channels}x{height}x{width}: {name} takes {side} x {side} pixels only")
        return build(name, {**arguments, "channels": channels, "size": height})


def describe(name: str, model: Classifier) -> Description:
    """Leaves the model as it was; its mode is restored. Raises RecipeInvalid for pictures that are too small for it."""
    watch = _Watch()
    watched = [(path, m) for path, m in model.named_modules() if not list(m.children()) or _own_parameters(m)]
    handles = [module.register_forward_pre_hook(watch.enter(path)) for path, module in watched]
    handles += [module.register_forward_hook(watch.leave(path)) for path, module in watched]
    training = model.training
    state = {key: value.to("meta") for key, value in (*model.named_parameters(), *model.named_buffers())}
    picture = torch.zeros(1, *model.input_shape, device="meta")
    try:
        with torch.no_grad(), watch.fields:
            functional_call(model.eval(), state, (watch.fields.follow(picture),))
    except RuntimeError as error:
        shape = "x".join(str(size) for size in model.input_shape)
        raise RecipeInvalid(f"{name} takes no pictures of {shape}: {watch.place}; give larger ones") from error
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return Description(
        name=name,
        input=model.input_shape,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        macs=sum(layer.macs for layer in watch.layers),
        layers=tuple(watch.layers),
    )


class _Watch:
    """Writes down layers as they run, and the operations that run outside of any layer."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.fields = ReceptiveFields(self._operation)
        self.place = "they are too small for its first layer"
        self._inside = 0

    def enter(self, path: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def note(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            self._inside += 1
            size = "x".join(str(side) for side in arguments[0].shape[1:])
            self.place = f"{size} is too small for its layer {path} ({type(module).__name__})"

        return note

    def leave(self, path: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def note(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> None:
            self._inside -= 1
            size = "x".join(str(side) for side in output.shape[1:])
            self.place = f"{size} is too small for what follows its layer {path}"
            before, after = arguments[0].shape[1:], output.shape[1:]
            already = any(layer.name == path for layer in self.layers)
            formula, remark = _formula(module, before, after)
            self._add(path, type(module).__name__, output, formula=formula, note=remark,
                      parameters=0 if already else _own_parameters(module), macs=_macs(module, after))  # fmt: skip

        return note

    def _operation(self, name: str, inputs: list[Tensor], output: Tensor) -> None:
        if self._inside or name not in OPERATIONS:
            return
        formula = f"{_sum(tensor.shape[1] for tensor in inputs)} = {output.shape[1]}" if name == "cat" else ""
        if name in {"mean", "_adaptive_avg_pool2d"}:
            formula = _adaptive(inputs[0].shape[1:], output.shape[1:])
        self._add(f"({OPERATIONS[name]})", OPERATIONS[name], output, formula=formula, note="", parameters=0, macs=0)

    def _add(self, name: str, kind: str, output: Tensor, **rest: Any) -> None:
        height, width = self.fields.of(output)
        size = (height.size, width.size)
        self.layers.append(Layer(name=name, kind=kind, output=tuple(output.shape[1:]), receptive_field=size, **rest))


def _sum(depths: Iterable[int]) -> str:
    """64 + 5 * 32 rather than the same number more than twice."""
    runs = [[str(depth) for depth in run] for _, run in groupby(depths)]
    return " + ".join(f"{len(run)} * {run[0]}" if len(run) > 2 else " + ".join(run) for run in runs)


def _own_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _macs(module: nn.Module, after: torch.Size) -> int:
    if isinstance(module, nn.Conv2d):
        return after.numel() * module.weight[0].numel()
    if isinstance(module, nn.Linear):
        return after.numel() * module.in_features
    return 0


def _formula(module: nn.Module, before: torch.Size, after: torch.Size) -> tuple[str, str]:
    """The formula and, where it gives no whole number, what that means."""
    if isinstance(module, Window):
        sides = [_side(module, axis, before[axis + 1], after[axis + 1]) for axis in (0, 1)]
        if sides[0] == sides[1]:
            return sides[0]
        notes = "; ".join(f"{axis} {note}" for axis, (_, note) in zip(("height", "width"), sides, strict=True) if note)
        return f"height {sides[0][0]}; width {sides[1][0]}", notes
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return _adaptive(before, after), ""
    if isinstance(module, nn.LocalResponseNorm):
        return f"over {module.size} neighbouring channels", ""
    if isinstance(module, nn.Flatten):
        return f"{' * '.join(str(size) for size in before)} = {after.numel()}", ""
    return (f"{module.in_features} -> {module.out_features}" if isinstance(module, nn.Linear) else ""), ""


def _adaptive(before: torch.Size, after: torch.Size) -> str:
    target = after[1:] or (1, 1)
    return f"adaptive {before[1]} x {before[2]} -> {target[0]} x {target[1]}"


def _side(module: Window, axis: int, before: int, after: int) -> tuple[str, str]:
    """(W - F + 2P)/S + 1 along one axis; a result that is not whole is shown, and what it is rounded to."""
    kernel, padding, stride = (
        value[axis] if isinstance(value, tuple) else int(value)
        for value in (module.kernel_size, module.padding, module.stride)
    )
    exact = output_size(before, kernel, padding=padding, stride=stride)
    formula = f"({before} - {kernel} + 2*{padding})/{stride} + 1 = {float(exact):g}"
    if exact == after:
        return formula, ""
    smaller, larger = fitting_sizes(before, kernel, padding=padding, stride=stride)
    if after > exact:
        note = f"not whole, rounded up: the last window hangs over by {larger - before}"
    else:
        note = f"not whole, rounded down: the last {before - smaller} of {before} are not seen"
    return f"{formula} -> {after}", f"{note}; {smaller} or {larger} would fit"
