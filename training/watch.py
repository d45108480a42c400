"""Notices a model that learns nothing, and says what it is likely to be."""

import math

import torch
from torch import Tensor

WINDOW = 50
"""Steps over which the loss is averaged."""
CHANCE_SHARE = 0.97
"""A mean loss above this part of ln(classes), the loss of guessing, is no learning."""


class LearningWatch:
    """Is given the loss of each step and speaks once, after `steps` of them. Costs one look at the device."""

    def __init__(self, *, classes: int, steps: int) -> None:
        self._chance = math.log(classes)
        self._at = steps
        self._seen = 0
        self._recent: Tensor = torch.zeros(())

    def see(self, loss: Tensor) -> str | None:
        """The sentence for the user when nothing was learnt by the step at which that is decided."""
        self._seen += 1
        if self._at - WINDOW < self._seen <= self._at:
            self._recent = self._recent.to(loss.device) + loss.detach()
        if self._seen != self._at:
            return None
        mean = float(self._recent) / min(WINDOW, self._at)
        if mean < CHANCE_SHARE * self._chance:
            return None
        return (
            f"after {self._at} steps the loss is {mean:.3f}, and guessing gives ln(classes) = {self._chance:.3f}: the "
            "model is not learning. Likely causes: a learning rate that is too high (networks without batch "
            "normalisation want about 0.01) or far too low, no warm-up, labels that do not belong to their pictures, "
            "or pictures that are all alike after preprocessing"
        )

    def state(self) -> tuple[int, float]:
        return self._seen, float(self._recent)

    def restore(self, state: tuple[int, float]) -> None:
        self._seen, self._recent = state[0], torch.tensor(state[1])
