"""Counts the images that came as tensors, so that the metrics know them as they know those of the other doors."""

from collections.abc import Callable

import numpy as np

from service.engine.postprocess import probabilities_of
from service.metrics import Metrics
from service.models.packaged_tensors import PackagedTensors
from service.models.tensor_model import Computed, TensorModel

CountImages = Callable[[TensorModel, Computed], None]


def image_counter(metrics: Metrics) -> CountImages:
    """What is told of every answer: predictions with their confidence, and images that were bad."""

    def count(model: TensorModel, computed: Computed) -> None:
        if not isinstance(model, PackagedTensors):
            return
        manifest = model.live.manifest
        logits = computed.outputs.get(manifest.outputs.logits)
        if logits is None:
            return
        if np.isnan(logits).any():
            bad = np.isnan(logits).any(axis=1)
            metrics.observe_image("error", int(bad.sum()))
            logits = logits[~bad]
        shares = probabilities_of(logits, manifest.calibration.temperature)
        metrics.observe_predictions(manifest, shares.argmax(axis=1).tolist(), shares.max(axis=1).tolist())

    return count
