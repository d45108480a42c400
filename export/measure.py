"""The accuracy that users of the service will see: encoded files through decode → preprocess → session → postprocess.

It is compared with what the run itself reached, so that a difference between training and serving shows as a number.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from export.errors import SkewTooLarge
from export.verify import LIMITS, Pixels, logits_of
from service.engine.decode import decode
from service.engine.postprocess import probabilities_of
from service.engine.preprocess import preprocess
from service.engine.session import Session
from service.models.manifest import InputSpec, Metrics
from training.metrics import Metrics as TrainingMetrics
from training.metrics import measure
from training.typed_json import encode

MAX_SKEW = 0.001
"""Largest loss or gain of accuracy between training and serving, as a share: 0.1 points."""
ROUNDING = 1e-9
MOST_CONFUSION_LABELS = 100
"""The confusion matrix of more labels is not kept: at 1,000 it has a million numbers."""


def measure_service(
    files: Sequence[bytes],
    labels: npt.NDArray[np.int64],
    *,
    session: Session,
    spec: InputSpec,
    names: tuple[str, ...],
    temperature: float,
) -> Metrics:
    """Metrics of the test split, given as encoded images and their true labels (N,)."""
    images = np.stack([prepare_image(file, spec) for file in files])
    probabilities = probabilities_of(logits_of(session, images), temperature)
    # softmax(log p) = p: training's metrics, computed from the service's probabilities.
    scores = np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)).astype(np.float32)
    return recorded(measure(scores, labels, names=names, split="test"))


def recorded(metrics: TrainingMetrics) -> Metrics:
    """For the manifest, without a confusion matrix that would outgrow it."""
    values = encode(metrics)
    if len(metrics.per_label) > MOST_CONFUSION_LABELS:
        del values["confusion"]
    return Metrics.model_validate(values)


def prepare_image(file: bytes, spec: InputSpec) -> Pixels:
    """An encoded image on the service's way to the graph: uint8 (H, W, C)."""
    return preprocess(decode(file, pixel_format=spec.pixel_format, limits=LIMITS), spec)


def check_skew(served: Metrics, *, trained_accuracy: float) -> float:
    """Accuracy served minus accuracy in training. Raises SkewTooLarge."""
    skew = served.accuracy - trained_accuracy
    if abs(skew) > MAX_SKEW + ROUNDING:
        raise SkewTooLarge(
            f"served as files, the model reaches {served.accuracy:.2%} where training measured {trained_accuracy:.2%}: "
            f"{abs(skew) * 100:.2f} points apart, at most {MAX_SKEW * 100:g} are allowed. Nothing was published; "
            "compare the run's preprocessing with the data it was trained on"
        )
    return skew
