"""What an answer rests on: one image and one label in, a heat map out.

Exact class activation maps where the model's package brings a graph for them; for any other model, occlusion
sensitivity, whose images travel through the model's own batcher, so that they wait their turn like all others.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from service.engine.batcher import Batcher, Tensor
from service.engine.occlusion import Grid, grey_of, occluded
from service.engine.overlay import draw_overlay
from service.engine.pipeline import Classifier
from service.engine.postprocess import Prediction, probabilities_of
from service.engine.priority import Priority
from service.engine.times import Times, times_of
from service.errors import ArgumentInvalid
from service.models.manifest import Calibration, InputSpec

Map = npt.NDArray[np.float32]  # (rows, columns)
LabelMaps = npt.NDArray[np.float32]  # (labels, rows, columns)
ActivationMaps = Callable[[Tensor], Awaitable[LabelMaps]]
"""One image `[H, W, C]` in, the maps of all labels out."""

WAVE_IMAGES = 64
"""So many occluded images wait in the queue at once; between the waves others have their turn."""


class Method(StrEnum):
    """How a heat map was made."""

    CLASS_ACTIVATION = "class_activation"
    OCCLUSION = "occlusion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A heat map; positive values speak for the label."""

    prediction: Prediction
    values: Map
    method: Method
    overlay_png: bytes
    times: Times


class Explainer:
    """One version of one model, asked for its reasons."""

    def __init__(
        self,
        *,
        classifier: Classifier,
        batcher: Batcher,
        spec: InputSpec,
        labels: tuple[str, ...],
        calibration: Calibration,
        workers: ThreadPoolExecutor,
        activation_maps: ActivationMaps | None = None,
    ) -> None:
        self._classifier = classifier
        self._batcher = batcher
        self._spec = spec
        self._labels = labels
        self._calibration = calibration
        self._workers = workers
        self._activation_maps = activation_maps

    def through(self, classifier: Classifier, batcher: Batcher) -> "Explainer":
        """The same for another variant of the model: it gives the answers, the maps stay."""
        return Explainer(
            classifier=classifier,
            batcher=batcher,
            spec=self._spec,
            labels=self._labels,
            calibration=self._calibration,
            workers=self._workers,
            activation_maps=self._activation_maps,
        )

    async def explain(
        self, image: bytes, *, label: str = "", deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Explanation:
        """The heat map of a label, the most probable one where none is named. Raises a ServiceError."""
        if label and label not in self._labels:
            raise ArgumentInvalid(f"The model knows no label {label[:64]!r}; GetModel lists its labels.", field="label")
        prepared, row = await self._classifier.compute(image, deadline=deadline, priority=priority)
        shares = probabilities_of(row.logits, self._calibration.temperature)
        index = self._labels.index(label) if label else int(row.logits.argmax())
        if self._activation_maps is not None:
            method = Method.CLASS_ACTIVATION
            values = (await self._activation_maps(prepared.tensor))[index]
        else:
            method = Method.OCCLUSION
            values = await self._occlusion(prepared.tensor, index, float(shares[index]), deadline, priority)
        loop = asyncio.get_running_loop()
        overlay = await loop.run_in_executor(self._workers, draw_overlay, prepared.tensor, values)
        prediction = Prediction(index=index, label=self._labels[index], probability=float(shares[index]))
        return Explanation(
            prediction=prediction, values=values, method=method, overlay_png=overlay, times=times_of(prepared, row)
        )

    async def _occlusion(
        self, tensor: Tensor, index: int, probability: float, deadline: float | None, priority: Priority
    ) -> Map:
        """By how much the label's probability falls where each cell is hidden."""
        grid = Grid(height=self._spec.height, width=self._spec.width)
        images = occluded(tensor, grid, grey_of(self._spec))
        falls: list[float] = []
        while wave := [image for _, image in zip(range(WAVE_IMAGES), images, strict=False)]:
            rows = await asyncio.gather(
                *(self._batcher.submit(image, deadline=deadline, priority=priority) for image in wave)
            )
            logits = np.stack([row.logits for row in rows])  # (wave, labels)
            falls += list(probability - probabilities_of(logits, self._calibration.temperature)[:, index])
        return np.array(falls, dtype=np.float32).reshape(grid.rows, grid.columns)
