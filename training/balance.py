"""What makes up for classes of unequal size: each class weighs alike, in the loss or in the drawing."""

import torch
from torch import Tensor


def class_weights(labels: Tensor, classes: int) -> Tensor:
    """Labels (N,) → a weight for each class, 1 where all are equally many; the weights of all labels sum up to N.

    `classes` counts those too that no label is of; without it they are as many as the labels show.
    """
    counts = torch.bincount(labels, minlength=classes)
    seen = (counts > 0).sum()
    return (len(labels) / (counts.clamp(min=1) * seen)).float()
