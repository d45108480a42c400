"""Graphs that nobody means well, by what is wrong with them; each is whole protobuf, and small."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Make = Callable[[], bytes]
DEPTH = 1000
NODES = 100_000


def of_nodes(*nodes: onnx.NodeProto, domain: str = "") -> bytes:
    """A model with an input and an output of one number, and these nodes in between."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    imports = [helper.make_opsetid("", 20), *([helper.make_opsetid(domain, 1)] if domain else [])]
    model = helper.make_model(helper.make_graph(list(nodes), "g", [x], [y]), opset_imports=imports)
    model.ir_version = 9
    return bytes(model.SerializeToString())


def of_domain(domain: str, operator: str) -> Make:
    return lambda: of_nodes(helper.make_node(operator, ["x"], ["y"], domain=domain), domain=domain)


def branching() -> bytes:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])], "b", [], [helper.make_tensor_value_info("z", 1, [1])]
    )
    true = numpy_helper.from_array(np.array(True), "c")
    return of_nodes(
        helper.make_node("Constant", [], ["c"], value=true),
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner),
    )


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(encoded) + bytes([value])


def prefixed(field: int, content: bytes) -> bytes:
    """A field of protobuf that says how long it is."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def nested() -> bytes:
    """Graphs in attributes of nodes of graphs, a thousand deep; a parser that recurses has no stack left."""
    graph = b""
    for _ in range(DEPTH):
        attribute = prefixed(6, graph)
        graph = prefixed(1, prefixed(4, b"If") + prefixed(5, attribute))
    return prefixed(7, graph)


def many_nodes() -> bytes:
    return prefixed(7, prefixed(1, prefixed(4, b"Identity")) * NODES)


def many_numbers() -> bytes:
    """A tensor whose numbers are fields of their own."""
    return prefixed(7, prefixed(5, b"\x25\x00\x00\x00\x00" * 400_000))


def outside(location: str, **more: str) -> Make:
    def make() -> bytes:
        tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        for key, value in more.items():
            tensor.external_data.add(key=key, value=value)
        model = onnx.load_from_string(of_nodes(helper.make_node("Add", ["x", "w"], ["y"])))
        model.graph.initializer.append(tensor)
        return bytes(model.SerializeToString())

    return make


REFUSED: Mapping[str, tuple[Make, str]] = {
    "an extension's operator": (of_domain("evil", "Run"), "extension"),
    "a Python operator": (of_domain("ai.onnx.contrib", "PyOp"), "extension"),
    "an unknown domain": (of_domain("x" * 5000, "Add"), "extension"),
    "compiled code": (of_domain("com.microsoft", "EPContext"), "compiled elsewhere"),
    "a thousand graphs deep": (nested, "deeper|'If'"),
    "a hundred thousand nodes": (many_nodes, "20,000 nodes"),
    "a million fields": (many_numbers, "fields"),
    "a file by its path": (outside("/etc/passwd"), "other files"),
    "a file by ..": (outside("a/../../../etc/passwd"), "other files"),
    "a file beside": (outside("weights.bin", offset="-1"), "other files"),
    "a file of the process": (outside("/proc/self/environ", length="10"), "other files"),
    "a file in memory": (outside("*/_ORT_MEM_ADDR_/*", offset="4096"), "other files"),
}
"""What it is → how it is made, and a part of the reason."""


def memory_bomb() -> bytes:
    """Asks for 4 TB while it is loaded or run."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6], dtype=np.int64), "shape")
    return of_nodes(
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    )
