"""Follows a picture through a model and keeps, for every tensor, how much of the picture one of its values can see.

Watches torch's operations, not modules, so branches, sums, concatenations and functional pooling are all seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from training.operations import adaptive_windows


@dataclass(frozen=True, slots=True)
class Field:
    """Along one axis, in pixels of the picture: how many a value sees, and how far apart neighbours look."""

    size: int = 1
    jump: int = 1

    def through(self, kernel: int, stride: int, dilation: int = 1) -> Self:
        """After a window of `kernel` values moved by `stride`."""
        return type(self)(self.size + (kernel - 1) * dilation * self.jump, self.jump * stride)


Fields = tuple[Field, Field]


class ReceptiveFields(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves this class untyped
    """Used as a context manager around the forward pass; `on_operation` hears of each operation and its tensors."""

    def __init__(self, on_operation: Callable[[str, list[Tensor], Tensor], None] = lambda *_: None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the same
        self._on_operation = on_operation
        self._fields: dict[int, Fields] = {}
        self._alive: list[Tensor] = []  # so that no identity is used twice

    def follow(self, picture: Tensor) -> Tensor:
        """The picture itself, from now on watched."""
        self._fields[id(picture)] = (Field(), Field())
        self._alive.append(picture)
        return picture

    def of(self, tensor: Tensor) -> Fields:
        return self._fields.get(id(tensor), (Field(), Field()))

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        output = result[0] if isinstance(result, tuple | list) else result
        flat = [item for argument in args for item in (argument if isinstance(argument, list | tuple) else [argument])]
        known = [item for item in flat if isinstance(item, Tensor) and id(item) in self._fields]
        if isinstance(output, Tensor) and known:
            self._fields[id(output)] = self._advance(str(func.overloadpacket), args, known, output)
            self._alive.append(output)
            self._on_operation(str(func.overloadpacket).removeprefix("aten."), known, output)
        return result

    def _advance(self, name: str, args: tuple[Any, ...], inputs: list[Tensor], output: Tensor) -> Fields:
        fields = [self.of(tensor) for tensor in inputs]
        height, width = (
            Field(max(field[axis].size for field in fields), max(field[axis].jump for field in fields))
            for axis in (0, 1)
        )
        before, after = inputs[0].shape[2:], output.shape[2:]
        if name == "aten.convolution":
            kernel = args[1].shape[2:]
            return (
                height.through(kernel[0], args[3][0], args[5][0]),
                width.through(kernel[1], args[3][-1], args[5][-1]),
            )
        if name in {"aten.max_pool2d_with_indices", "aten.avg_pool2d"}:
            kernel, stride = args[1], (args[2] if len(args) > 2 and args[2] else args[1])
            return height.through(kernel[0], stride[0]), width.through(kernel[-1], stride[-1])
        if name == "aten._adaptive_avg_pool2d":
            return _adaptive(height, before[0], after[0]), _adaptive(width, before[1], after[1])
        if inputs[0].ndim == 4 and (output.ndim < 3 or (name == "aten.mean" and after.numel() == 1)):
            return height.through(before[0], before[0]), width.through(before[1], before[1])
        return height, width


def _adaptive(field: Field, before: int, after: int) -> Field:
    largest = max(window.stop - window.start for window in adaptive_windows(before, after))
    return field.through(largest, max(before // after, 1))
