"""Logits in, ranked labels out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEW = 32
"""Numbers that Python has done with before NumPy has begun."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """The answers for several images, column by column."""

    indices: npt.NDArray[np.intp]  # (images, top_k): places in the model's labels, by falling probability
    probabilities: npt.NDArray[np.float64]  # (images, top_k)
    unknown: npt.NDArray[np.bool_]  # (images,)

    def classifications(self, labels: Sequence[str]) -> list[Classification]:
        """One by one."""
        rows = zip(self.indices.tolist(), self.probabilities.tolist(), self.unknown.tolist(), strict=True)
        return [
            Classification(
                predictions=tuple(
                    Prediction(index=index, label=labels[index], probability=probability)
                    for index, probability in zip(indices, probabilities, strict=True)
                ),
                unknown=unknown,
            )
            for indices, probabilities, unknown in rows
        ]


def probabilities_of(logits: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float64]:
    """softmax(logits / temperature) over the last axis (Guo et al. 2017, temperature scaling)."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def best_labels(
    logits: npt.NDArray[np.float32],  # (images, labels)
    temperature: float,
) -> tuple[list[int], list[float]]:
    """The best label of each image and its probability, for less than all probabilities cost; NaN where a logit is."""
    if logits.size <= FEW:
        few = [_best_of_few(row, temperature) for row in logits.tolist()]
        if not any(math.isnan(probability) for _, probability in few):
            return [best for best, _ in few], [probability for _, probability in few]
    scaled = logits.astype(np.float64)
    scaled -= scaled.max(axis=-1, keepdims=True)
    scaled /= temperature
    shares = 1.0 / np.exp(scaled, out=scaled).sum(axis=-1)  # (images,)
    return logits.argmax(axis=-1).tolist(), shares.tolist()


def _best_of_few(row: list[float], temperature: float) -> tuple[int, float]:
    top = max(row)
    return row.index(top), 1.0 / sum([math.exp((logit - top) / temperature) for logit in row])


def classification_of(
    logits: npt.NDArray[np.float32],  # (labels,)
    *,
    labels: Sequence[str],
    temperature: float,
    top_k: int,
    min_confidence: float | None,
) -> Classification:
    """The `top_k` best labels; equal logits rank in the order of the labels, always."""
    (classification,) = classifications_of(
        logits[np.newaxis], labels=labels, temperature=temperature, top_k=top_k, min_confidence=min_confidence
    )
    return classification


def classifications_of(
    logits: npt.NDArray[np.float32],  # (images, labels)
    *,
    labels: Sequence[str],
    temperature: float,
    top_k: int,
    min_confidence: float | None,
) -> list[Classification]:
    """The same for several images at once, which costs little more than one."""
    best = ranked(logits, temperature=temperature, top_k=top_k, min_confidence=min_confidence)
    return best.classifications(labels)


def ranked(
    logits: npt.NDArray[np.float32],  # (images, labels)
    *,
    temperature: float,
    top_k: int,
    min_confidence: float | None,
) -> Ranked:
    """The same as columns."""
    shares = probabilities_of(logits, temperature)
    indices = np.argsort(-logits, axis=-1, kind="stable")[:, :top_k]
    probabilities = shares[np.arange(len(shares))[:, np.newaxis], indices]
    least = -np.inf if min_confidence is None else min_confidence
    return Ranked(indices=indices, probabilities=probabilities, unknown=probabilities[:, 0] < least)
