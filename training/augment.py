"""Random changes to a batch of training pictures, on whatever device they lie."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from training.config import Augmentation


def augment(pixels: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """uint8 (N, C, H, W) → the same shape; each picture draws its own flip and shift from its device's generator."""
    if augmentation.shift:
        pixels = _shift(pixels, augmentation.shift, generator)
    if augmentation.flip:
        mirrored = torch.rand(len(pixels), generator=generator, device=pixels.device) < 0.5
        pixels = torch.where(mirrored.view(-1, 1, 1, 1), pixels.flip(3), pixels)
    if augmentation.cutout:
        pixels = _cutout(pixels, augmentation.cutout, generator)
    if augmentation.random_erasing:
        pixels = _erase(pixels, augmentation.random_erasing, generator)
    return pixels


def _cutout(pixels: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """The centre may fall on any pixel, so that a part of the square may lie outside."""
    count, _, height, width = pixels.shape
    top = torch.randint(height, (count,), generator=generator, device=pixels.device) - side // 2
    left = torch.randint(width, (count,), generator=generator, device=pixels.device) - side // 2
    inside = rectangles(top, left, top + side, left + side, height=height, width=width)
    return pixels.masked_fill(inside.unsqueeze(1), 0)


def _erase(pixels: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    count, _, height, width = pixels.shape
    draw = torch.empty(count, device=pixels.device)
    area = draw.uniform_(0.02, 0.33, generator=generator) * height * width
    ratio = torch.exp(draw.uniform_(math.log(0.3), math.log(1 / 0.3), generator=generator))
    rows = (area * ratio).sqrt().round().clamp(1, height).long()
    columns = (area / ratio).sqrt().round().clamp(1, width).long()
    top = (draw.uniform_(generator=generator) * (height - rows + 1)).long()
    left = (draw.uniform_(generator=generator) * (width - columns + 1)).long()
    inside = rectangles(top, left, top + rows, left + columns, height=height, width=width)
    inside &= (draw.uniform_(generator=generator) < probability).view(-1, 1, 1)
    noise = torch.randint(256, pixels.shape, generator=generator, dtype=torch.uint8, device=pixels.device)
    return torch.where(inside.unsqueeze(1), noise, pixels)


def rectangles(top: Tensor, left: Tensor, bottom: Tensor, right: Tensor, *, height: int, width: int) -> Tensor:
    """Masks (N, height, width), true inside of each rectangle; lower and right edges are outside."""
    rows, columns = torch.arange(height, device=top.device), torch.arange(width, device=top.device)
    in_rows = (rows >= top[:, None]) & (rows < bottom[:, None])  # (N, height)
    in_columns = (columns >= left[:, None]) & (columns < right[:, None])  # (N, width)
    return in_rows[:, :, None] & in_columns[:, None, :]


def _shift(pixels: Tensor, most: int, generator: torch.Generator) -> Tensor:
    height, width = pixels.shape[2:]
    offsets = torch.randint(2 * most + 1, (2, len(pixels)), generator=generator, device=pixels.device)
    padded = functional.pad(pixels, (most, most, most, most))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (N, C, 2 most + 1, 2 most + 1, H, W)
    return windows[torch.arange(len(pixels), device=pixels.device), :, offsets[0], offsets[1]]  # (N, C, H, W)
