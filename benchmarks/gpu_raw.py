"""What a service on a GPU cannot beat: ONNX Runtime's CUDA provider in this process, called in every way it offers.

plain     NumPy arrays in, NumPy arrays out
bound     buffers bound once; page-locked images are copied in and the rows out, for every batch
graph     the same, and a CUDA graph of it replayed
resident  the graph alone, nothing copied: what the card could do if images came from nowhere
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.engine.execution import CPU_PROVIDER, EXECUTIONS
from service.engine.pinned import pinned_array
from service.engine.session import FATAL_ONLY

WAYS = ("plain", "bound", "graph", "resident")
WARM_UPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A graph, where it runs, and what the provider is told besides the service's defaults."""

    graph: bytes
    tensor: str
    output: str
    shape: tuple[int, ...]
    provider: str
    options: Mapping[str, str]
    runtimes: dict[bool, onnxruntime.InferenceSession] = field(default_factory=dict)
    """With graphs and without."""

    def rate(self, way: str, batch: int, seconds: float) -> float:
        """Images a second."""
        run = self._runner(way, batch)
        for _ in range(WARM_UPS):
            run()
        done, began = 0, time.perf_counter()
        while (took := time.perf_counter() - began) < seconds or not done:
            run()
            done += batch
        return done / took if took else 0.0

    def _runner(self, way: str, batch: int) -> Callable[[], object]:
        graphs = way in {"graph", "resident"}
        if graphs not in self.runtimes:
            self.runtimes[graphs] = self._open(graphs=graphs)
        runtime = self.runtimes[graphs]
        on_gpu = self.provider != CPU_PROVIDER
        images = pinned_array((batch, *self.shape), on_gpu=on_gpu and way != "plain")
        images[...] = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
        if way == "plain":
            return lambda: runtime.run([self.output], {self.tensor: images})
        number = f"{WAYS.index(way)}{batch}" if graphs else None
        return self._bound(runtime, images, number, copies=way != "resident", device="cuda" if on_gpu else "cpu")

    def _bound(
        self,
        runtime: onnxruntime.InferenceSession,
        images: npt.NDArray[np.uint8],
        number: str | None,
        *,
        copies: bool,
        device: str,
    ) -> Callable[[], object]:
        """`number` is that of the graph."""
        skip, options = onnxruntime.RunOptions(), onnxruntime.RunOptions()
        if number is not None:
            skip.add_run_config_entry("gpu_graph_id", "-1")
            options.add_run_config_entry("gpu_graph_id", number)
        (rows,) = runtime.run([self.output], {self.tensor: images}, skip)
        value = onnxruntime.OrtValue.ortvalue_from_shape_and_type(images.shape, np.uint8, device, 0)
        output = onnxruntime.OrtValue.ortvalue_from_shape_and_type(rows.shape, rows.dtype.type, device, 0)
        binding = runtime.io_binding()
        binding.bind_ortvalue_input(self.tensor, value)
        binding.bind_ortvalue_output(self.output, output)
        value.update_inplace(images)

        def run() -> object:
            if copies:
                value.update_inplace(images)
            runtime.run_with_iobinding(binding, options)
            return output.numpy() if copies else None

        return run

    def _open(self, *, graphs: bool) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        chosen = EXECUTIONS[self.provider].options(self.options, threads=1)
        if self.provider != CPU_PROVIDER:
            chosen["enable_cuda_graph"] = "1" if graphs else "0"
        runtime = onnxruntime.InferenceSession(
            self.graph, options, providers=[(self.provider, chosen)], enable_fallback=0
        )
        got = runtime.get_providers()[0]
        if got != self.provider:
            raise RuntimeError(f"ONNX Runtime put the session on {got}")
        return runtime
