"""Graphs with tensors whose data lie elsewhere: every place that a name can lead to, in every part of a graph."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import onnx
from onnx import TensorProto, helper

Make = Callable[[], bytes]
LOCATIONS: Mapping[str, str] = MappingProxyType(
    {
        "an absolute path": "/etc/passwd",
        "a path upwards": "../../outside.bin",
        "a path down and up": "a/../../outside.bin",
        "a path within": "./inside/../weights.bin",
        "a file beside": "weights.bin",
        "a link beside": "link.bin",
        "a second name beside": "hard.bin",
        "a linked folder": "folder/secret.bin",
        "a link of a link": "link-of-link.bin",
        "its own file": "model.onnx",
        "the manifest": "manifest.json",
        "a device": "/dev/zero",
        "a terminal": "/dev/stdin",
        "the process's memory": "/proc/self/mem",
        "the process's environment": "/proc/self/environ",
        "an open file": "/proc/self/fd/0",
        "a pipe": "pipe.bin",
        "a folder": ".",
        "nothing": "",
        "the runtime's memory": "*/_ORT_MEM_ADDR_/*",
        "a home": "~/.ssh/id_rsa",
        "a variable": "${HOME}/secret.bin",
        "an address": "http://127.0.0.1/weights.bin",
        "a file's address": "file:///etc/passwd",
        "another system's path": "..\\..\\outside.bin",
        "a share": "\\\\127.0.0.1\\share\\w.bin",
        "an encoded path": "%2e%2e/outside.bin",
        "a cut name": "weights.bin\x00/../outside.bin",
        "a long name": "a/" * 2000 + "w.bin",
        "letters that look alike": "\u2024\u2024/outside.bin",
    }
)
ENTRIES: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType(
    {
        "an offset before the file": (("location", "weights.bin"), ("offset", "-1")),
        "an offset beyond": (("location", "weights.bin"), ("offset", str(2**63)), ("length", "4")),
        "a length without end": (("location", "weights.bin"), ("length", str(2**62))),
        "two locations": (("location", "weights.bin"), ("location", "/etc/passwd")),
        "a key that nobody knows": (("location", "weights.bin"), ("__class__", "x")),
        "no location": (("offset", "0"), ("length", "4")),
        "no entry at all": (),
    }
)


def outside(*entries: tuple[str, str]) -> onnx.TensorProto:
    """One number, to be found in another file."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries:
        tensor.external_data.add(key=key, value=value)
    return tensor


def holding(*weights: onnx.TensorProto) -> onnx.ModelProto:
    """`y = x + w`, with these as initialisers."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    body = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], initializer=list(weights))
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def parts() -> Iterator[tuple[str, onnx.ModelProto]]:
    """The same tensor in every part of a model that can hold one."""
    tensor = outside(("location", "weights.bin"))
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    inner = onnx.GraphProto(name="inner", initializer=[tensor])
    sparse = onnx.SparseTensorProto(values=tensor, dims=[4])
    for name, node in {
        "a constant": constant,
        "a list of tensors": _node(tensors=[tensor], type=onnx.AttributeProto.TENSORS),
        "a branch": _node(g=inner, type=onnx.AttributeProto.GRAPH),
        "a list of graphs": _node(graphs=[onnx.GraphProto(), inner], type=onnx.AttributeProto.GRAPHS),
        "a sparse constant": _node(sparse_tensor=sparse, type=onnx.AttributeProto.SPARSE_TENSOR),
        "sparse constants": _node(sparse_tensors=[sparse], type=onnx.AttributeProto.SPARSE_TENSORS),
        "an attribute of another type": _node(t=tensor, type=onnx.AttributeProto.INT),
    }.items():
        model = holding()
        model.graph.node.append(node)
        yield name, model
    model = holding()
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(indices=tensor, dims=[4]))
    yield "the places of a sparse tensor", model
    model = holding()
    model.functions.append(onnx.FunctionProto(name="f", domain="d", node=[constant]))
    yield "a function", model
    model = holding()
    default = onnx.AttributeProto(name="t", t=tensor, type=onnx.AttributeProto.TENSOR)
    model.functions.append(onnx.FunctionProto(name="f", domain="d", attribute_proto=[default]))
    yield "a function's default", model
    model = holding()
    model.training_info.append(onnx.TrainingInfoProto(initialization=inner))
    yield "what begins a training", model
    model = holding()
    model.training_info.append(onnx.TrainingInfoProto(algorithm=onnx.GraphProto(node=[constant])))
    yield "a training's step", model


def _node(**attribute: Any) -> onnx.NodeProto:
    return onnx.NodeProto(op_type="Constant", output=["w"], attribute=[onnx.AttributeProto(name="value", **attribute)])


def undeclared() -> onnx.TensorProto:
    """Says that its data are here, and names a file all the same."""
    tensor = outside(("location", "weights.bin"))
    tensor.data_location = TensorProto.DEFAULT
    return tensor


def both() -> onnx.TensorProto:
    """Has its data here, and names a file besides."""
    tensor = outside(("location", "weights.bin"))
    tensor.raw_data = bytes(4)
    return tensor


def _models() -> Iterator[tuple[str, onnx.ModelProto]]:
    for name, location in LOCATIONS.items():
        yield name, holding(outside(("location", location)))
    for name, entries in ENTRIES.items():
        yield name, holding(outside(*entries))
    for name, model in parts():
        yield f"in {name}", model
    yield "a name beside data said to be here", holding(undeclared())
    yield "a name beside data", holding(both())


def elsewhere() -> dict[str, bytes]:
    """What it is → the graph's file."""
    models = {name: bytes(model.SerializeToString()) for name, model in _models()}
    one = next(iter(models.values()))
    return models | {"twice the same graph": one + one, "a graph in two parts": b"".join(_split(one))}


def _split(file: bytes) -> Iterator[bytes]:
    """The graph's fields in messages of their own, which a parser puts together again."""
    model = onnx.load_from_string(file)
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    yield model.SerializeToString()
    for tensor in itertools.chain(tensors):
        yield onnx.ModelProto(graph=onnx.GraphProto(initializer=[tensor])).SerializeToString()
