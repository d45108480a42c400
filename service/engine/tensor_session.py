"""Executes any graph in ONNX Runtime: named tensors in, named tensors out. What the graph takes is read from the graph.

No library of custom operators is ever registered, so a graph that needs one does not load.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import onnxruntime

from service.engine.capture import CAPTURE
from service.engine.datatypes import AnyTensor, Datatype
from service.engine.execution import Options
from service.engine.session import open_runtime
from service.errors import ArgumentInvalid

RUNTIME_TYPES: Mapping[str, Datatype] = MappingProxyType(
    {
        "tensor(bool)": Datatype.BOOL,
        "tensor(uint8)": Datatype.UINT8,
        "tensor(uint16)": Datatype.UINT16,
        "tensor(uint32)": Datatype.UINT32,
        "tensor(uint64)": Datatype.UINT64,
        "tensor(int8)": Datatype.INT8,
        "tensor(int16)": Datatype.INT16,
        "tensor(int32)": Datatype.INT32,
        "tensor(int64)": Datatype.INT64,
        "tensor(float16)": Datatype.FP16,
        "tensor(float)": Datatype.FP32,
        "tensor(double)": Datatype.FP64,
        "tensor(bfloat16)": Datatype.BF16,
        "tensor(string)": Datatype.BYTES,
    }
)
BFLOAT16_IN_ONNX = 16


class TensorUnsupported(Exception):
    """The graph has an input or output of a type that the protocol cannot carry; the text names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output. A size of -1 is any size; the batch dimension, where there is one, comes first."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    labels: tuple[str, ...] = ()
    """What the elements of an output stand for, where that is known."""
    most_images: int = 0
    """An input also takes encoded images, as BYTES `[N]`, so many in one request; 0: it takes none."""

    @property
    def takes_images(self) -> bool:
        return self.most_images > 0

    def with_shape(self, shape: tuple[int, ...]) -> "TensorSpec":
        return replace(self, shape=shape)


class TensorSession:
    """One graph on one provider. `run` may be called from any thread."""

    def __init__(self, runtime: onnxruntime.InferenceSession) -> None:
        """Raises TensorUnsupported."""
        self._runtime = runtime
        self.inputs = tuple(_spec(node) for node in runtime.get_inputs())
        self.outputs = tuple(_spec(node) for node in runtime.get_outputs())
        self._types = {spec.name: spec.datatype for spec in (*self.inputs, *self.outputs)}
        self._by_value = Datatype.BF16 in self._types.values()

    @classmethod
    def load(
        cls, graph: bytes, *, provider: str, threads: int, provider_options: Options | None = None
    ) -> "TensorSession":
        """Raises ProviderUnavailable, TensorUnsupported, or the runtime's own error for a bad graph."""
        return cls(open_runtime(graph, provider=provider, threads=threads, provider_options=provider_options))

    @property
    def provider(self) -> str:
        name: str = self._runtime.get_providers()[0]
        return name

    def run(self, tensors: Mapping[str, AnyTensor]) -> dict[str, AnyTensor]:
        """All outputs; blocks until they are computed. Raises ArgumentInvalid for BYTES that are not UTF-8."""
        names = [spec.name for spec in self.outputs]
        given = {name: self._encoded(name, tensor) for name, tensor in tensors.items()}
        with CAPTURE.work():
            if not self._by_value:
                results = self._runtime.run(names, given)
            else:
                values = {name: self._value(name, tensor) for name, tensor in given.items()}
                results = [_array(value) for value in self._runtime.run_with_ort_values(names, values)]
        return {name: self._decoded(name, result) for name, result in zip(names, results, strict=True)}

    def _encoded(self, name: str, tensor: AnyTensor) -> AnyTensor:
        """The runtime knows texts and no bytes."""
        if self._types[name] is not Datatype.BYTES:
            return tensor
        texts = np.empty(tensor.shape, dtype=object)
        try:
            texts[...] = np.array([element.decode() for element in tensor.flat], dtype=object).reshape(tensor.shape)
        except UnicodeDecodeError as error:
            raise ArgumentInvalid(f"input '{name}' must hold texts in UTF-8", field="inputs") from error
        return texts

    def _decoded(self, name: str, tensor: AnyTensor) -> AnyTensor:
        if self._types[name] is not Datatype.BYTES:
            return tensor
        elements = np.empty(tensor.shape, dtype=object)
        elements[...] = np.array([text.encode() for text in tensor.flat], dtype=object).reshape(tensor.shape)
        return elements

    def _value(self, name: str, tensor: AnyTensor) -> onnxruntime.OrtValue:
        if self._types[name] is Datatype.BF16:
            return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(tensor, BFLOAT16_IN_ONNX)
        return onnxruntime.OrtValue.ortvalue_from_numpy(tensor)


def _spec(node: onnxruntime.NodeArg) -> TensorSpec:
    if node.type not in RUNTIME_TYPES:
        raise TensorUnsupported(f"{node.name} is a {node.type}, which the Open Inference Protocol cannot carry")
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape)
    return TensorSpec(name=node.name, datatype=RUNTIME_TYPES[node.type], shape=shape)


def _array(value: onnxruntime.OrtValue) -> AnyTensor:
    """A copy of a value; the runtime hands out no BF16, so its bits are read where they lie."""
    if value.element_type() != BFLOAT16_IN_ONNX:
        array: AnyTensor = value.numpy()
        return array
    shape = tuple(value.shape())
    bits = ctypes.string_at(value.data_ptr(), int(np.prod(shape)) * 2)
    return np.frombuffer(bits, dtype=np.uint16).reshape(shape)
