"""Builds small ONNX models without a manifest, as anybody's, in the directory layout of a model repository."""

from collections.abc import Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, helper

Sizes = Sequence[int | str | None]
ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BF16": TensorProto.BFLOAT16,
    "BYTES": TensorProto.STRING,
}


def identity(datatype: str = "FP32", shape: Sizes = ("batch", 3)) -> bytes:
    """`x` in, the same out as `y`."""
    return _graph([helper.make_node("Identity", ["x"], ["y"])], datatype, {"x": shape}, {"y": shape})


def sum_and_difference(datatype: str = "FP32", shape: Sizes = ("batch", 2)) -> bytes:
    """`a` and `b` in, `sum` and `difference` out."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    return _graph(nodes, datatype, {"a": shape, "b": shape}, {"sum": shape, "difference": shape})


def total() -> bytes:
    """FP32 `x` of any length in, its sum `y` `[1]` out: the first dimension is of any size, and no batch."""
    node = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=1)
    return _graph([node], "FP32", {"x": ["length"]}, {"y": [1]})


def flattened() -> bytes:
    """FP32 `image` `[1, 3, 2, 2]` in, `scores` `[1, 12, 1, 1]` out, both of fixed size."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 12, 1, 1])
    node = helper.make_node("Reshape", ["image", "shape"], ["scores"])
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 2, 2])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 12, 1, 1])]
    return _model(helper.make_graph([node], "flattened", inputs, outputs, initializer=[shape]))


def write(root: Path, name: str, graph: bytes, *, version: int = 1, **beside: str) -> Path:
    """`root/name/version/model.onnx`; `beside` are text files next to the versions, dots as underscores."""
    directory = root / name / str(version)
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(graph)
    for file, text in beside.items():
        (root / name / file.replace("_", ".")).write_text(text, encoding="utf-8")
    return directory


def _graph(nodes: list[onnx.NodeProto], datatype: str, inputs: dict[str, Sizes], outputs: dict[str, Sizes]) -> bytes:
    kind = ONNX_TYPES[datatype]
    given = [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in inputs.items()]
    wanted = [helper.make_tensor_value_info(name, kind, list(shape)) for name, shape in outputs.items()]
    return _model(helper.make_graph(nodes, "plain", given, wanted))


def _model(graph: onnx.GraphProto) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
