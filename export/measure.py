"""The accuracy that users of the service will see: encoded files through decode → preprocess → session → postprocess.

It is compared with the accuracy on the raw pixels, so that a difference between training and serving shows as a number.
"""

import numpy as np

from export.errors import SkewTooLarge
from export.served import Served
from export.verify import logits_of
from service.engine.postprocess import probabilities_of
from service.engine.session import Session
from service.models.manifest import Metrics, Precision
from training.metrics import Metrics as TrainingMetrics
from training.metrics import measure
from training.typed_json import encode

MAX_SKEW = 0.001
"""Largest loss or gain of accuracy between raw pixels and files as served, as a share: 0.1 points."""
ROUNDING = 1e-9
MOST_CONFUSION_LABELS = 100
"""The confusion matrix of more labels is not kept: at 1,000 it has a million numbers."""


def measure_service(served: Served, *, session: Session, names: tuple[str, ...], temperature: float) -> Metrics:
    """Metrics of the test split."""
    images = served.images
    probabilities = probabilities_of(logits_of(session, images.pixels), temperature)
    # softmax(log p) = p: training's metrics, computed from the service's probabilities.
    scores = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float32)
    return recorded(measure(scores, images.labels, names=names, split="test"))


def recorded(metrics: TrainingMetrics) -> Metrics:
    """For the manifest, without a confusion matrix that would outgrow it."""
    values = encode(metrics)
    if len(metrics.per_label) > MOST_CONFUSION_LABELS:
        del values["confusion"]
    return Metrics.model_validate(values)


def skew_of(served: Served, metrics: Metrics, *, session: Session, precision: Precision) -> float:
    """Accuracy as served less that of the same graph on the raw pixels. Raises SkewTooLarge."""
    raw = metrics.accuracy  # the same pixels have the same answers
    if served.differing:
        raw = float(np.mean(logits_of(session, served.raw.pixels).argmax(axis=1) == served.raw.labels))
    return check_skew(metrics, raw_accuracy=raw, raw=f"its raw pixels give {raw:.2%} in {precision}")


def check_skew(metrics: Metrics, *, raw_accuracy: float, raw: str) -> float:
    """Accuracy as served minus accuracy on raw pixels, which `raw` says in words. Raises SkewTooLarge."""
    skew = metrics.accuracy - raw_accuracy
    if abs(skew) > MAX_SKEW + ROUNDING:
        raise SkewTooLarge(
            f"served as files, the model reaches {metrics.accuracy:.2%} where {raw}: {abs(skew) * 100:.2f} points "
            f"apart, at most {MAX_SKEW * 100:g} are allowed. Nothing was published; "
            "compare the run's preprocessing with the data it was trained on"
        )
    return round(skew, 9)
