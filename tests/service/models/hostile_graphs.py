"""Sixty graphs that nobody means well, by who has to stop them: the look into the file, the list of what packages may
use, the trial in a process of its own, or the golden samples. Each is whole protobuf, and small.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.service.models.damage import graph_with
from tests.service.models.hostile_models import nested, of_domain, of_nodes, prefixed

Make = Callable[[], bytes]
NODES = 100_000
LARGE = 10**6


def constant(name: str, values: npt.ArrayLike, dtype: npt.DTypeLike = np.int64) -> onnx.NodeProto:
    value = numpy_helper.from_array(np.array(values, dtype=dtype), name)
    return helper.make_node("Constant", [], [name], value=value)


def summed(*nodes: onnx.NodeProto) -> bytes:
    """`y` is `x` and the sum of what the nodes call `large`, so that it must be computed."""
    total = helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0)
    return of_nodes(*nodes, total, helper.make_node("Add", ["x", "sum"], ["y"]))


def grown(operator: str, *others: onnx.NodeProto, **attributes: Any) -> Make:
    """One operator that makes a number into terabytes; `x` is not known before the run, so nothing is folded away."""
    inputs = ["x", *(node.output[0] for node in others)]
    return lambda: summed(*others, helper.make_node(operator, inputs, ["large"], **attributes))


def doubled(operator: str, times: int) -> Make:
    """Each node doubles what the one before it made."""

    def make() -> bytes:
        names = ["x", *(f"twice{step}" for step in range(times - 1)), "large"]
        more: dict[str, Any] = {"axis": 0} if operator == "Concat" else {}
        nodes = [
            helper.make_node(operator, [before, before], [after], **more) for before, after in itertools.pairwise(names)
        ]
        return summed(*nodes)

    return make


def crossed(operator: str) -> Make:
    """A column of a million with a row of a million: a number for each pair."""
    column, row = constant("column", [LARGE, 1]), constant("row", [1, LARGE])
    return lambda: summed(
        column,
        row,
        helper.make_node("Expand", ["x", "column"], ["a"]),
        helper.make_node("Expand", ["x", "row"], ["b"]),
        helper.make_node(operator, ["a", "b"], ["large"]),
    )


def endless() -> bytes:
    """A loop that ends in some thousand years."""
    body = onnx.GraphProto(
        name="body",
        node=[helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Cos", ["value"], ["next"])],
        input=[
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, [1]),
        ],
        output=[
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1]),
        ],
    )
    return of_nodes(
        constant("turns", 2**62),
        constant("true", values=True, dtype=np.bool_),
        helper.make_node("Loop", ["turns", "true", "x"], ["y"], body=body),
    )


def with_graph(change: Callable[[onnx.ModelProto], object]) -> Make:
    """`y = x`, changed."""

    def make() -> bytes:
        model = onnx.load_from_string(of_nodes(helper.make_node("Identity", ["x"], ["y"])))
        change(model)
        return bytes(model.SerializeToString())

    return make


def calling_itself(model: onnx.ModelProto) -> None:
    """Two functions that call each other."""
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)]
    for name, other in (("ping", "pong"), ("pong", "ping")):
        call = helper.make_node(other, ["a"], ["b"], domain="local")
        model.functions.append(helper.make_function("local", name, ["a"], ["b"], [call], imports))
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node[0].op_type, model.graph.node[0].domain = "ping", "local"


def whole(graph: bytes) -> bytes:
    return prefixed(7, graph)


def deep_in(field: int, part: int) -> bytes:
    """Messages inside of each other through other fields than those of `nested`."""
    content = b""
    for _ in range(400):
        content = prefixed(1, prefixed(5, prefixed(field, content)))
    return prefixed(part, content) if part == 7 else prefixed(part, prefixed(7, prefixed(5, prefixed(field, content))))


UNOPENED: Mapping[str, Make] = {
    **{
        f"the domain {domain[:20]!r}": of_domain(domain, "Add")
        for domain in (
            *(
                "evil",
                "ai.onnx.contrib",
                "com.microsoft.nchwc.x",
                "ai.onnx\x00",
                "AI.ONNX",
                "com.microsoft ",
                "../..",
                "/",
            ),
            *("org.pytorch.aten", "ai.onnx.training", "com.ms.internal", "x" * 5000, "аi.onnx"),
        )
    },
    "compiled code": of_domain("com.microsoft", "EPContext"),
    "graphs of branches": nested,
    "graphs in lists": lambda: deep_in(11, 7),
    "graphs in functions": lambda: deep_in(6, 25),
    "many nodes": lambda: whole(prefixed(1, prefixed(4, b"Identity")) * NODES),
    "many nodes in a function": lambda: prefixed(25, prefixed(7, prefixed(4, b"Identity")) * NODES),
    "many functions": lambda: prefixed(25, prefixed(7, prefixed(4, b"Identity"))) * NODES,
    "many empty graphs": lambda: prefixed(7, b"") * 400_000,
    "many tensors": lambda: whole(prefixed(5, b"") * 400_000),
    "many numbers": lambda: whole(prefixed(5, b"\x25\x00\x00\x00\x00" * 400_000)),
    "many names": lambda: whole(prefixed(12, b"") * 400_000),
    "a graph that is a number": lambda: b"\x38\x01",
    "a length beyond the end": lambda: b"\x3a\xff\xff\xff\xff\x0f",
    "a number without end": lambda: b"\x3a" + b"\xff" * 20,
    "a group": lambda: b"\x3b\x3c",
    "cut in two": lambda: of_nodes(helper.make_node("Identity", ["x"], ["y"]))[:-5],
}
"""Refused by the look into the file, whoever brings them."""

UNLISTED: Mapping[str, Make] = {
    f"the operator {operator}": of_domain(domain, operator)
    for domain, operator in (
        *(
            ("", "If"),
            ("", "Loop"),
            ("", "SequenceMap"),
            ("", "RandomNormal"),
            ("", "StringNormalizer"),
            ("", "Optional"),
        ),
        *(("ai.onnx.ml", "LabelEncoder"), ("com.microsoft", "Tokenizer"), ("ai.onnx.preview.training", "Adam")),
    )
}
"""Refused in packages; plain models may use them."""

BOMBS: Mapping[str, Make] = {
    "Expand": grown("Expand", constant("shape", [LARGE, LARGE])),
    "Pad": grown("Pad", constant("pads", [0, LARGE * LARGE])),
    "ConvTranspose": lambda: summed(
        constant("shape", [1, 1, 1, 1]),
        constant("kernel", [[[[1.0]]]], np.float32),
        helper.make_node("Reshape", ["x", "shape"], ["picture"]),
        helper.make_node(
            "ConvTranspose", ["picture", "kernel"], ["large"], output_padding=[LARGE - 1] * 2, strides=[LARGE] * 2
        ),
    ),
    "Resize": grown(
        "Resize",
        constant("roi", [], np.float32),
        constant("scales", [], np.float32),
        constant("sizes", [LARGE * LARGE]),
    ),
    "ConstantOfShape": lambda: summed(
        constant("shape", [LARGE, LARGE]), helper.make_node("ConstantOfShape", ["shape"], ["large"])
    ),
    "Range": lambda: summed(
        constant("zero", 0.0, np.float32),
        constant("end", 1e12, np.float32),
        constant("step", 1.0, np.float32),
        helper.make_node("Range", ["zero", "end", "step"], ["large"]),
    ),
    "a product of two lines": crossed("MatMul"),
    "a sum for each pair": crossed("Add"),
    "Concat again and again": doubled("Concat", 45),
}
"""Need more memory than there is; refused by the trial or by the runtime in it."""

BROKEN: Mapping[str, Make] = {
    "no graph": lambda: b"",
    "an output that nobody makes": with_graph(lambda model: model.graph.ClearField("node")),
    "an operator that is none": of_domain("", "Nothing"),
    "the operators of the year 3000": with_graph(lambda model: setattr(model.opset_import[0], "version", 999)),
    "the format of the year 3000": with_graph(lambda model: setattr(model, "ir_version", 999)),
    "no operators named": with_graph(lambda model: model.ClearField("opset_import")),
    "a node that waits for itself": with_graph(lambda model: model.graph.node[0].input.__setitem__(0, "y")),
    "two nodes that make one tensor": with_graph(lambda model: model.graph.node.append(model.graph.node[0])),
    "an output of another type": with_graph(
        lambda model: setattr(model.graph.output[0].type.tensor_type, "elem_type", TensorProto.INT8)
    ),
    "a type that is none": with_graph(lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", 99)),
    "functions that call each other": with_graph(calling_itself),
}
"""Refused by the trial, or by the runtime in its own words."""

UNTRUE: Mapping[str, Make] = {
    f"{name} times {value}": partial(graph_with, name, value)
    for name, values in (("gain", (math.nan, math.inf, -math.inf, 0.0, -10.0, 3e38)), ("scale", (math.nan, 1e-45)))
    for value in values
}
"""Good packages with other weights; refused by their golden samples."""
