"""Random changes to a batch of training pictures, on whatever device they lie."""

import torch
from torch import Tensor
from torch.nn import functional

from training.config import Augmentation


def augment(pixels: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """uint8 (N, C, H, W) → the same shape; each picture draws its own flip and shift from the (CPU) generator."""
    if augmentation.shift:
        pixels = _shift(pixels, augmentation.shift, generator)
    if augmentation.flip:
        mirrored = torch.rand(len(pixels), generator=generator).to(pixels.device) < 0.5
        pixels = torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    return pixels


def _shift(pixels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    height, width = pixels.shape[2:]
    offsets = torch.randint(2 * most + 1, (2, len(pixels)), generator=generator).to(pixels.device)
    padded = functional.pad(pixels, (most, most, most, most))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2 most + 1, 2 most + 1, H, W)
    return windows[torch.arange(len(pixels), device=pixels.device), :, offsets[0], offsets[1]]  # (N, C, H, W)
