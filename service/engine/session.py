"""Executes batches in ONNX Runtime, knowing nothing of requests: uint8 `[N, H, W, C]` in, logits, embeddings out."""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.engine.providers import CUDA_PROVIDER, check_provider
from service.models.manifest import OutputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the graph says of N images, row for row."""

    logits: npt.NDArray[np.float32]  # (N, labels)
    embeddings: npt.NDArray[np.float32] | None  # (N, embedding_size)
    padding: int = 0
    """Images that were computed besides, for nobody."""


class Session:
    """One graph on one provider. `run` may be called from any thread; calls do not gain from running side by side."""

    def __init__(self, runtime: onnxruntime.InferenceSession, *, tensor: str, outputs: OutputSpec) -> None:
        self._runtime = runtime
        self._tensor = tensor
        self._names = [outputs.logits] if outputs.embedding is None else [outputs.logits, outputs.embedding]

    @classmethod
    def load(cls, graph: bytes, *, provider: str, threads: int, tensor: str, outputs: OutputSpec) -> "Session":
        """From a graph in memory. Raises ProviderUnavailable, or the runtime's own error for a bad graph."""
        return cls(open_runtime(graph, provider=provider, threads=threads), tensor=tensor, outputs=outputs)

    @property
    def provider(self) -> str:
        name: str = self._runtime.get_providers()[0]
        return name

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Blocks until the batch is computed."""
        results = self._runtime.run(self._names, {self._tensor: images})
        return Outputs(logits=results[0], embeddings=results[1] if len(results) > 1 else None)


def open_runtime(graph: bytes, *, provider: str, threads: int) -> onnxruntime.InferenceSession:
    """ONNX Runtime on one provider. Raises ProviderUnavailable, or the runtime's own error for a bad graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # TF32 keeps ten bits of each factor, which moves logits by a thousandth: too much to tell a faulty graph from.
    chosen = (provider, {"use_tf32": "0"}) if provider == CUDA_PROVIDER else provider
    runtime = onnxruntime.InferenceSession(graph, options, providers=[chosen])
    check_provider(runtime, provider)
    return runtime


def available_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
