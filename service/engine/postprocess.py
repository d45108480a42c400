"""Logits in, ranked labels out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One label with its calibrated probability; `index` is its place in the model's labels."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """The answer for one image: labels by falling probability, and whether the best one is too weak to be believed."""

    predictions: tuple[Prediction, ...]
    unknown: bool


def probabilities_of(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float64]:
    """softmax(logits / temperature) over the last axis (Guo et al. 2017, temperature scaling)."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def classification_of(
    logits: npt.NDArray[np.float32],  # (labels,)
    *,
    labels: Sequence[str],
    temperature: float,
    top_k: int,
    min_confidence: float | None,
) -> Classification:
    """The `top_k` best labels; equal logits rank in the order of the labels, always."""
    shares = probabilities_of(logits, temperature)
    ranked = np.argsort(-logits, kind="stable")[:top_k]
    predictions = tuple(
        Prediction(index=int(index), label=labels[index], probability=float(shares[index])) for index in ranked
    )
    unknown = min_confidence is not None and predictions[0].probability < min_confidence
    return Classification(predictions=predictions, unknown=unknown)
