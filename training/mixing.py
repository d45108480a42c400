"""Mixup and cutmix: each picture of a batch takes something of another one, and of its label as much."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.augment import rectangles
from training.config import Augmentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """A batch in which picture i is `share` itself and the rest picture `partners[i]`."""

    images: Tensor
    partners: Tensor
    share: float


def mix(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Mixed | None:
    """Images (N, C, H, W) → the same shape; None where the recipe mixes nothing."""
    if not augmentation.mixup and not augmentation.cutmix:
        return None
    partners = torch.randperm(len(images), generator=generator)
    cut = not augmentation.mixup or (augmentation.cutmix > 0 and _uniform(generator) < 0.5)
    share = _beta(augmentation.cutmix if cut else augmentation.mixup, generator)
    others = images[partners.to(images.device)]
    if not cut:
        return Mixed(images=share * images + (1 - share) * others, partners=partners, share=share)
    height, width = images.shape[2:]
    side = (1 - share) ** 0.5
    row, column = int(_uniform(generator) * height), int(_uniform(generator) * width)
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    edges = (row - half_height, column - half_width, row + half_height, column + half_width)
    inside = rectangles(*(torch.tensor([edge]) for edge in edges), height=height, width=width)
    share = 1 - float(inside.float().mean())  # what the rectangle really covers, cut off at the edges
    mixed = torch.where(inside.to(images.device).unsqueeze(1), others, images)
    return Mixed(images=mixed, partners=partners, share=share)


def _uniform(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))


def _beta(alpha: float, generator: torch.Generator) -> float:
    """A draw from Beta(alpha, alpha), as two gamma draws out of the run's own generator."""
    gammas = torch.distributions.Gamma(alpha, 1.0)  # draws from torch's global generator, so it is seeded from ours
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        first, second = gammas.sample((2,)).tolist()
    return float(first / (first + second)) if first + second > 0 else 0.5
