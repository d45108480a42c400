"""Predicts a split once; every metric is derived from that one pass."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.config import Preprocessing
from training.data import Images
from training.metrics import Metrics, measure
from training.models import Classifier

BATCH_SIZE = 500
GPU_BATCH_PIXELS = 2500 * 28 * 28
"""A GPU takes more pictures at once where they are small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """A model's logits for the images of a split, beside the true labels."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]

    def metrics(self, *, names: tuple[str, ...], split: str) -> Metrics:
        return measure(self.logits, self.labels, names=names, split=split)


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """A copy: uint8 (N, height, width, channels) as numpy holds it → uint8 (N, channels, height, width)."""
    return torch.from_numpy(np.array(pixels.transpose(0, 3, 1, 2), order="C"))


def normalise(pixels: Tensor, preprocessing: Preprocessing) -> Tensor:
    """uint8 (N, C, H, W) → float32 with the recipe's mean and standard deviation taken out."""
    # What is made while a graph is exported stands for a tensor and is none: it must not be kept for others.
    per_channel = _per_channel if torch.compiler.is_compiling() else _kept_per_channel
    mean, std = (per_channel(values, pixels.device) for values in (preprocessing.mean, preprocessing.std))
    return (pixels.float() / 255 - mean) / std


def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.tensor(values, device=device).view(1, -1, 1, 1)


_kept_per_channel = cache(_per_channel)
"""Made once: to send them to a GPU for each batch would wait for it."""


def channels_last(images: Tensor) -> Tensor:
    """The same pictures with the channels of a pixel side by side in memory, on a GPU also where there is but one.

    With one channel both layouts are the same bytes, and torch goes by the strides: left as they are, they send the
    first layers' maps through the slower layout.
    """
    if not images.is_cuda or images.shape[1] > 1:
        return images.contiguous(memory_format=torch.channels_last)
    return images.contiguous().view(len(images), *images.shape[2:], 1).permute(0, 3, 1, 2)  # (N, 1, H, W)


@torch.inference_mode()
def predict(model: Classifier, images: Images, preprocessing: Preprocessing) -> Predictions:
    """Logits in the order of the images; the model is put into evaluation mode and left there."""
    model.eval()
    device = next(model.parameters()).device
    pixels_each = images.pixels.shape[1] * images.pixels.shape[2]
    size = max(BATCH_SIZE, GPU_BATCH_PIXELS // pixels_each) if device.type == "cuda" else BATCH_SIZE
    logits = []
    for pixels in torch.split(as_tensor(images.pixels), size):
        pictures = normalise(pixels.to(device), preprocessing)
        logits.append(model(channels_last(pictures) if pictures.is_cuda else pictures).float().cpu())
    return Predictions(logits=torch.cat(logits).numpy(), labels=images.labels)
