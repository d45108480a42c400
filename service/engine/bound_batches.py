"""Batches on a GPU at fixed addresses: a set of buffers for each power of two, bound once and filled for every batch.

A batch is staged, which any thread may do while another batch is computed: its images are put into page-locked memory.
Then it is computed: copied to the device, run there, and its rows copied back. Where the runtime was opened for it, a
CUDA graph is recorded for each size and replayed from then on, which saves the launch of every kernel by itself.
"""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime

from service.engine.capture import CAPTURE, Capture
from service.engine.pinned import pinned_array

Images = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.float32]

RUNS_THAT_MAY_RECORD = 3
"""ONNX Runtime records after a run or two of the same size, in which it takes the memory that it needs."""
GRAPH_OPTION = "gpu_graph_id"
"""The run option that says which graph to record or to replay."""
NO_GRAPH = "-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A batch in host memory, filled up to a power of two; what lies behind its images goes to nobody."""

    memory: Images  # (2^n, H, W, C)
    size: int

    @property
    def padding(self) -> int:
        return len(self.memory) - self.size


@dataclass(slots=True)
class _Buffers:
    """One size on the device."""

    binding: onnxruntime.IOBinding
    image: onnxruntime.OrtValue
    outputs: Sequence[onnxruntime.OrtValue]
    options: onnxruntime.RunOptions
    thread: int
    """That made them: ONNX Runtime keeps the graphs of each thread apart."""
    runs: int = 0


class BoundBatches:
    """All sizes of one session. Its batches are computed one after the other: graphs of one session share memory."""

    def __init__(
        self,
        runtime: onnxruntime.InferenceSession,
        *,
        tensor: str,
        names: Sequence[str],
        device: str = "cuda",
        device_id: int = 0,
        graphs: bool = False,
        capture: Capture = CAPTURE,
    ) -> None:
        self._runtime = runtime
        self._tensor = tensor
        self._names = list(names)
        self._place = (device, device_id)
        self._graphs = graphs
        self._capture = capture
        self._buffers: dict[tuple[int, ...], _Buffers] = {}
        self._free: dict[tuple[int, ...], list[Images]] = {}
        self._running = threading.Lock()
        self._without = _options(NO_GRAPH if graphs else None)

    def stage(self, images: Images) -> Staged:
        """Copies the images; the memory is used again once they are computed."""
        shape = (_bucket(len(images)), *images.shape[1:])
        free = self._free.setdefault(shape, [])
        try:
            memory = free.pop()
        except IndexError:
            with self._capture.work():
                memory = pinned_array(shape, on_gpu=self._place[0] != "cpu")
        np.copyto(memory[: len(images)], images, casting="no")
        return Staged(memory=memory, size=len(images))

    def compute(self, staged: Staged) -> list[Rows]:
        """The outputs, without those of the padding. Raises what the runtime raises."""
        shape = staged.memory.shape
        with self._running:
            buffers = self._buffers.get(shape)
            if buffers is None:
                with self._capture.work():
                    buffers = self._buffers[shape] = self._bind(staged.memory)
            with self._turn(buffers):
                buffers.image.update_inplace(staged.memory)
                mine = buffers.thread == threading.get_ident()
                self._runtime.run_with_iobinding(buffers.binding, buffers.options if mine else self._without)
                results = [self._rows(value, staged.size) for value in buffers.outputs]
            buffers.runs += mine
        self._free[shape].append(staged.memory)
        return results

    def _turn(self, buffers: _Buffers) -> AbstractContextManager[None]:
        if self._graphs and buffers.runs < RUNS_THAT_MAY_RECORD:
            return self._capture.recording()
        return self._capture.work()

    def _bind(self, images: Images) -> _Buffers:
        """What the outputs are like, a first run tells, which takes the memory for all that come later besides."""
        results = self._runtime.run(self._names, {self._tensor: images}, self._without)
        binding = self._runtime.io_binding()
        image = self._value(images)
        binding.bind_ortvalue_input(self._tensor, image)
        outputs = [self._value(result) for result in results]
        for name, value in zip(self._names, outputs, strict=True):
            binding.bind_ortvalue_output(name, value)
        options = _options(str(len(self._buffers) + 1) if self._graphs else None)
        return _Buffers(binding, image, outputs, options, threading.get_ident())

    def _value(self, like: npt.NDArray[np.generic]) -> onnxruntime.OrtValue:
        return onnxruntime.OrtValue.ortvalue_from_shape_and_type(like.shape, like.dtype.type, *self._place)

    def _rows(self, value: onnxruntime.OrtValue, size: int) -> Rows:
        rows: Rows = value.numpy()[:size]
        return rows.copy() if self._place[0] == "cpu" else rows  # there it is the buffer itself


def _options(graph: str | None) -> onnxruntime.RunOptions:
    options = onnxruntime.RunOptions()
    if graph is not None:
        options.add_run_config_entry(GRAPH_OPTION, graph)
    return options


def _bucket(size: int) -> int:
    """The next power of two."""
    return 1 << (size - 1).bit_length()
