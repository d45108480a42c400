"""Class activation maps (Zhou et al. 2016) out of the graph for explanations: exact, because the head is linear.

The maps of an image add up to its logits: logit = bias + sum of the label's map, for every label.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.engine.capture import CAPTURE
from service.engine.session import open_runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Activations:
    """What the graph says of N images."""

    logits: npt.NDArray[np.float32]  # (N, labels)
    maps: npt.NDArray[np.float32]  # (N, labels, rows, columns)


class ActivationSession:
    """The graph for explanations on one provider; the session that answers classifications knows nothing of it."""

    def __init__(self, runtime: onnxruntime.InferenceSession, *, tensor: str, logits: str, maps: str) -> None:
        self._runtime = runtime
        self._tensor = tensor
        self._names = [logits, maps]

    @classmethod
    def load(
        cls, graph: bytes, *, provider: str, threads: int, tensor: str, logits: str, maps: str
    ) -> "ActivationSession":
        """Raises what `Session.load` raises."""
        return cls(open_runtime(graph, provider=provider, threads=threads), tensor=tensor, logits=logits, maps=maps)

    def run(self, images: npt.NDArray[np.uint8]) -> Activations:
        """Blocks until the maps of `[N, H, W, C]` are computed."""
        with CAPTURE.work():
            results = self._runtime.run(self._names, {self._tensor: images})
        return Activations(logits=results[0], maps=results[1])
