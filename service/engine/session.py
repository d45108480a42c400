"""Executes batches in ONNX Runtime, knowing nothing of requests: uint8 `[N, H, W, C]` in, logits, embeddings out."""

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.engine.arena import use_shared_arena
from service.engine.execution import CPU_PROVIDER, EXECUTIONS, GPU_PROVIDERS, Options
from service.engine.providers import check_provider
from service.models.manifest import OutputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the graph says of N images, row for row."""

    logits: npt.NDArray[np.float32]  # (N, labels)
    embeddings: npt.NDArray[np.float32] | None  # (N, embedding_size)
    padding: int = 0
    """Images that were computed besides, for nobody."""


class Session:
    """One graph on one provider. `run` may be called from any thread.

    On the CPU one call alone is computed by all of the session's threads, and calls side by side by one thread each:
    they share one pool and one set of weights. On a GPU batches are filled up to the next power of two (`pads`), the
    sizes that were warmed up.
    """

    def __init__(
        self, runtime: onnxruntime.InferenceSession, *, tensor: str, outputs: OutputSpec, pads: bool = False
    ) -> None:
        self._runtime = runtime
        self._tensor = tensor
        self._pads = pads
        self._names = [outputs.logits] if outputs.embedding is None else [outputs.logits, outputs.embedding]

    @classmethod
    def load(
        cls,
        graph: bytes,
        *,
        provider: str,
        threads: int,
        tensor: str,
        outputs: OutputSpec,
        provider_options: Options | None = None,
    ) -> "Session":
        """From a graph in memory. Raises ProviderUnavailable, or the runtime's own error for a bad graph."""
        runtime = open_runtime(graph, provider=provider, threads=threads, provider_options=provider_options)
        return cls(runtime, tensor=tensor, outputs=outputs, pads=provider in GPU_PROVIDERS)

    @property
    def provider(self) -> str:
        name: str = self._runtime.get_providers()[0]
        return name

    def run(self, images: npt.NDArray[np.uint8]) -> Outputs:
        """Blocks until the batch is computed."""
        size = len(images)
        padding = _bucket(size) - size if self._pads else 0
        if padding:
            images = np.concatenate([images, np.zeros((padding, *images.shape[1:]), dtype=images.dtype)])
        results = self._runtime.run(self._names, {self._tensor: images})
        if padding:
            results = [rows[:-padding] for rows in results]
        return Outputs(logits=results[0], embeddings=results[1] if len(results) > 1 else None, padding=padding)


def _bucket(size: int) -> int:
    """The next power of two."""
    return 1 << (size - 1).bit_length()


def open_runtime(
    graph: bytes, *, provider: str, threads: int, provider_options: Options | None = None
) -> onnxruntime.InferenceSession:
    """ONNX Runtime on one provider. Raises ProviderUnavailable, or the runtime's own error for a bad graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == CPU_PROVIDER:
        use_shared_arena(options)
    chosen = EXECUTIONS[provider].options(provider_options or {}, threads=threads)
    # By itself the wrapper would go on with the CPU when a provider fails, in the middle of serving too.
    runtime = onnxruntime.InferenceSession(graph, options, providers=[(provider, chosen)], enable_fallback=0)
    check_provider(runtime, provider)
    runtime._model_bytes = None  # noqa: SLF001 - kept for that fallback only, and as large as the weights
    return runtime


def available_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
