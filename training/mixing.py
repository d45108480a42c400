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
    share: Tensor
    """a number, where the pictures are"""


def mix(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Mixed | None:
    """Images (N, C, H, W) → the same shape; None where the recipe mixes nothing.

    The generator is of the same device as the images, and nothing is asked back from there.
    """
    if not augmentation.mixup and not augmentation.cutmix:
        return None
    partners = torch.randperm(len(images), generator=generator, device=images.device)
    others = images[partners]
    blended = cut = None
    if augmentation.mixup:
        share = _beta(augmentation.mixup, images.device, generator)
        blended = Mixed(images=share * images + (1 - share) * others, partners=partners, share=share)
    if augmentation.cutmix:
        share = _beta(augmentation.cutmix, images.device, generator)
        cut = _cut(images, others, partners, share, generator)
    if blended is None or cut is None:
        return blended or cut
    coin = torch.rand((), generator=generator, device=images.device) < 0.5
    return Mixed(
        images=torch.where(coin, cut.images, blended.images), partners=partners,
        share=torch.where(coin, cut.share, blended.share),
    )  # fmt: skip


def _cut(images: Tensor, others: Tensor, partners: Tensor, share: Tensor, generator: torch.Generator) -> Mixed:
    """A rectangle of the other pictures in each; the share is what it really covers, cut off at the edges."""
    height, width = images.shape[2:]
    side = (1 - share).sqrt()
    place = torch.rand(2, generator=generator, device=images.device)
    row, column = (place[:1] * height).long(), (place[1:] * width).long()  # (1,) each
    half_height, half_width = (side * height).long() // 2, (side * width).long() // 2
    edges = (row - half_height, column - half_width, row + half_height, column + half_width)
    inside = rectangles(*edges, height=height, width=width)  # (1, H, W)
    return Mixed(
        images=torch.where(inside.unsqueeze(1), others, images), partners=partners, share=1 - inside.float().mean()
    )


def _beta(alpha: float, device: torch.device, generator: torch.Generator) -> Tensor:
    """A draw from Beta(alpha, alpha), as two gamma draws out of the run's own generator."""
    alphas = torch.full((2,), alpha, device=device)
    first, second = torch._standard_gamma(alphas, generator=generator)  # noqa: SLF001 - the public ones take no generator
    return torch.nan_to_num(first / (first + second), nan=0.5)
