"""Predicts a split once; every metric is derived from that one pass."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.config import Preprocessing
from training.data import Images
from training.metrics import Metrics, measure
from training.models import Classifier

BATCH_SIZE = 500


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
    mean = torch.tensor(preprocessing.mean, device=pixels.device).view(1, -1, 1, 1)
    std = torch.tensor(preprocessing.std, device=pixels.device).view(1, -1, 1, 1)
    return (pixels.float() / 255 - mean) / std


@torch.inference_mode()
def predict(model: Classifier, images: Images, preprocessing: Preprocessing) -> Predictions:
    """Logits in the order of the images; the model is put into evaluation mode and left there."""
    model.eval()
    device = next(model.parameters()).device
    logits = [
        model(normalise(pixels.to(device), preprocessing)).float().cpu()
        for pixels in torch.split(as_tensor(images.pixels), BATCH_SIZE)
    ]
    return Predictions(logits=torch.cat(logits).numpy(), labels=images.labels)
