"""Counts the images that came as tensors, so that the metrics know them as they know those of the other doors."""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from service.engine.datatypes import AnyTensor
from service.engine.postprocess import best_labels
from service.metrics import Metrics
from service.models.packaged_tensors import PackagedTensors
from service.models.tensor_model import Computed, TensorModel

if TYPE_CHECKING:
    from service.models.manifest import Manifest


class ImageCounter(Protocol):
    """Told how every request ended that came as far as the model."""

    def answered(self, model: TensorModel, computed: Computed) -> None: ...

    def failed(self, model: TensorModel, tensors: Mapping[str, AnyTensor]) -> None: ...


class NoImages:
    """Where nobody counts."""

    def answered(self, model: TensorModel, computed: Computed) -> None:
        pass

    def failed(self, model: TensorModel, tensors: Mapping[str, AnyTensor]) -> None:
        pass


class CountedImages:
    """Predictions with their confidence, and images without an answer."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._answered: dict[int, tuple[Manifest, list[AnyTensor]]] = {}
        """By the identity of the manifest, which is kept with them."""

    def answered(self, model: TensorModel, computed: Computed) -> None:
        if not isinstance(model, PackagedTensors):
            return
        manifest = model.live.manifest
        logits = computed.outputs.get(manifest.outputs.logits)
        if logits is None:
            return
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._count)
        self._answered.setdefault(id(manifest), (manifest, []))[1].append(logits)

    def _count(self) -> None:
        """What was answered in this moment, together: one by one it would cost as much as a tenth of the call."""
        answered = list(self._answered.values())
        self._answered.clear()
        for manifest, parts in answered:
            logits = parts[0] if len(parts) == 1 else np.concatenate(parts)
            best, confidences = best_labels(logits, manifest.calibration.temperature)
            self._metrics.observe_predictions(manifest, best, confidences)

    def failed(self, model: TensorModel, tensors: Mapping[str, AnyTensor]) -> None:
        """None of the request's images has an answer, those beside a bad one included."""
        if isinstance(model, PackagedTensors):
            images = tensors[model.live.manifest.input.tensor]
            self._metrics.observe_image("error", len(images))
