"""Muon (Jordan et al. 2024): momentum whose matrix is made orthogonal, for the weights of hidden layers."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that drives singular values towards 1; the published ones."""


class Muon(torch.optim.Optimizer):
    """Groups with `orthogonal` get Muon and decoupled decay, the others Nesterov SGD; one learning rate for both."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, lr: float, momentum: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": 0.0, "orthogonal": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - torch's signature; no closure is used
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum, decay = group["momentum"], group["weight_decay"]
        if not group["orthogonal"]:
            gradient = gradient.add(parameter, alpha=decay)
        state["momentum"].mul_(momentum).add_(gradient)
        update = gradient.add(state["momentum"], alpha=momentum)
        if group["orthogonal"]:
            parameter.mul_(1 - group["lr"] * decay)
            update = orthogonalised(update.flatten(1)).view_as(parameter)
            update = update * max(1.0, len(parameter) / parameter[0].numel()) ** 0.5
        parameter.add_(update, alpha=-group["lr"])


def orthogonalised(matrix: Tensor) -> Tensor:
    """(rows, columns) → about the nearest matrix with all singular values near 1, by a Newton-Schulz iteration."""
    a, b, c = COEFFICIENTS
    x: Tensor = matrix.float()
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.T
