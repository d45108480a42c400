"""Executes batches in ONNX Runtime, knowing nothing of requests: uint8 `[N, H, W, C]` in, logits, embeddings out."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
import structlog

from service.engine.arena import use_shared_arena
from service.engine.bound_batches import RUNS_THAT_MAY_RECORD, BoundBatches
from service.engine.capture import CAPTURE
from service.engine.execution import CPU_PROVIDER, CUDA_GRAPHS, CUDA_PROVIDER, EXECUTIONS, GPU_PROVIDERS, Options
from service.engine.providers import ProviderUnavailable, check_provider
from service.errors import InferenceFailed
from service.models.manifest import OutputSpec

log = structlog.get_logger("service.session")

_GIVEN_UP: list[onnxruntime.InferenceSession] = []
"""Kept: ONNX Runtime ends the process when a session is let go that was recording a graph when it failed."""

FATAL_ONLY = 4
"""The level of ONNX Runtime's own lines, which are not of the log's form: what fails is raised besides."""

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the graph says of N images, row for row."""

    logits: npt.NDArray[np.float32]  # (N, labels)
    embeddings: npt.NDArray[np.float32] | None  # (N, embedding_size)
    padding: int = 0
    """Images that were computed besides, for nobody."""

    def check(self, *, images: int) -> None:
        """Raises InferenceFailed where there are more or fewer rows than images were given."""
        if any(len(rows) != images for rows in (self.logits, self.embeddings) if rows is not None):
            raise InferenceFailed("The model gave another number of answers than it was given images.")


class Session:
    """One graph on one provider. `run` may be called from any thread.

    On the CPU one call alone is computed by all of the session's threads, and calls side by side by one thread each:
    they share one pool and one set of weights. On a GPU batches go through buffers that are bound once (`bound`), each
    filled up to the next power of two.
    """

    def __init__(
        self,
        runtime: onnxruntime.InferenceSession,
        *,
        tensor: str,
        outputs: OutputSpec,
        bound: BoundBatches | None = None,
    ) -> None:
        self._runtime = runtime
        self._tensor = tensor
        self._names = _names(outputs)
        self._bound = bound

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
        chosen = EXECUTIONS[provider].options(provider_options or {}, threads=threads)
        if chosen.get(CUDA_GRAPHS, "0") not in {"0", "False", "false"}:
            try:
                return cls._load(graph, provider, threads, tensor, outputs, provider_options, graphs=True)
            except ProviderUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - the runtime's errors have no type in common
                log.warning("no CUDA graphs for this model; it is run kernel by kernel", reason=str(error))
        return cls._load(graph, provider, threads, tensor, outputs, provider_options, graphs=False)

    @classmethod
    def _load(
        cls,
        graph: bytes,
        provider: str,
        threads: int,
        tensor: str,
        outputs: OutputSpec,
        provider_options: Options | None,
        *,
        graphs: bool,
    ) -> "Session":
        runtime = open_runtime(
            graph, provider=provider, threads=threads, provider_options=provider_options, graphs=graphs
        )
        if provider not in GPU_PROVIDERS:
            return cls(runtime, tensor=tensor, outputs=outputs)
        bound = BoundBatches(
            runtime,
            tensor=tensor,
            names=_names(outputs),
            device_id=int((provider_options or {}).get("device_id", "0")),
            graphs=graphs,
        )
        session = cls(runtime, tensor=tensor, outputs=outputs, bound=bound)
        if graphs:
            try:
                session._try_graphs()
            except Exception:
                _GIVEN_UP.append(runtime)
                raise
        return session

    @property
    def provider(self) -> str:
        name: str = self._runtime.get_providers()[0]
        return name

    def run(self, images: Images) -> Outputs:
        """Blocks until the batch is computed."""
        if self._bound is None:
            return self._outputs(self._runtime.run(self._names, {self._tensor: images}))
        return self.stage(images)()

    def stage(self, images: Images) -> Callable[[], Outputs]:
        """Makes a batch ready and gives what computes it: on a GPU the images are copied, while another batch runs."""
        if self._bound is None:
            return lambda: self._outputs(self._runtime.run(self._names, {self._tensor: images}))
        bound, staged = self._bound, self._bound.stage(images)
        return lambda: self._outputs(bound.compute(staged), padding=staged.padding)

    def _outputs(self, results: Sequence[npt.NDArray[np.float32]], *, padding: int = 0) -> Outputs:
        return Outputs(logits=results[0], embeddings=results[1] if len(results) > 1 else None, padding=padding)

    def _try_graphs(self) -> None:
        """Raises where none can be recorded of one image; where one can, the other sizes can too."""
        (image,) = [node for node in self._runtime.get_inputs() if node.name == self._tensor]
        shape = tuple(size if isinstance(size, int) else 1 for size in image.shape[1:])
        for _ in range(RUNS_THAT_MAY_RECORD):
            self.run(np.zeros((1, *shape), dtype=np.uint8))


def _names(outputs: OutputSpec) -> list[str]:
    return [outputs.logits] if outputs.embedding is None else [outputs.logits, outputs.embedding]


def open_runtime(
    graph: bytes,
    *,
    provider: str,
    threads: int,
    provider_options: Options | None = None,
    graphs: bool = False,
) -> onnxruntime.InferenceSession:
    """ONNX Runtime on one provider. Raises ProviderUnavailable, or the runtime's own error for a bad graph.

    `graphs` is for who runs every size at addresses of its own (BoundBatches): others would replay what was recorded of
    another batch.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == CPU_PROVIDER:
        use_shared_arena(options)
    chosen = EXECUTIONS[provider].options(provider_options or {}, threads=threads)
    if provider == CUDA_PROVIDER:
        chosen[CUDA_GRAPHS] = "1" if graphs else "0"
    # By itself the wrapper would go on with the CPU when a provider fails, in the middle of serving too.
    with CAPTURE.work():
        runtime = onnxruntime.InferenceSession(graph, options, providers=[(provider, chosen)], enable_fallback=0)
    check_provider(runtime, provider)
    runtime._model_bytes = None  # noqa: SLF001 - kept for that fallback only, and as large as the weights
    return runtime


def quiet_runtime() -> None:
    """For the process: what no session of its own says, such as which kernels cuDNN tried before it found one."""
    onnxruntime.set_default_logger_severity(FATAL_ONLY)


def available_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
