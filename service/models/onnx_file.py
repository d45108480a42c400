"""Looks into an ONNX file without loading it: whether it is whole, in one file, and a graph that is served.

A graph that names other files could make the runtime read any file that the server may read, so it is refused first.
Only the fields that lead to tensors and operators are followed; the numbers are those of onnx.proto. Limits on their
number come first, since the runtime itself goes through a graph by recursion, and has none.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType

from service.models.operators import objection


class OnnxFileInvalid(Exception):
    """The file is no ONNX model, or one that is not served; the text says why."""


class _Part(StrEnum):
    MODEL = "model"
    FUNCTION = "function"
    TRAINING = "training"
    GRAPH = "graph"
    NODE = "node"
    ATTRIBUTE = "attribute"
    SPARSE = "sparse"
    TENSOR = "tensor"


PARTS: Mapping[_Part, Mapping[int, _Part]] = MappingProxyType(
    {
        _Part.MODEL: {7: _Part.GRAPH, 20: _Part.TRAINING, 25: _Part.FUNCTION},
        _Part.FUNCTION: {7: _Part.NODE, 11: _Part.ATTRIBUTE},
        _Part.TRAINING: {1: _Part.GRAPH, 2: _Part.GRAPH},
        _Part.GRAPH: {1: _Part.NODE, 5: _Part.TENSOR, 15: _Part.SPARSE},
        _Part.NODE: {5: _Part.ATTRIBUTE},
        _Part.ATTRIBUTE: {
            5: _Part.TENSOR,
            6: _Part.GRAPH,
            10: _Part.TENSOR,
            11: _Part.GRAPH,
            22: _Part.SPARSE,
            23: _Part.SPARSE,
        },
        _Part.SPARSE: {1: _Part.TENSOR, 2: _Part.TENSOR},
        _Part.TENSOR: {},
    }
)
OPERATOR, DOMAIN = 4, 7
"""Of a node."""
MOST_NODES = 20_000
MOST_FIELDS = 300_000
DEEPEST = 64
"""Messages inside of each other; a graph inside of a node's attribute takes three."""
EXTERNAL_DATA = 13
DATA_LOCATION = 14
VARINT, FIXED_64, LENGTH_PREFIXED, FIXED_32 = 0, 1, 2, 5


def check_self_contained(content: bytes) -> None:
    """Raises OnnxFileInvalid where a tensor's data lie in another file, or where the content is no protobuf message."""
    for _ in _nodes(content):
        pass


def check_graph(content: bytes, *, packaged: bool) -> None:
    """Raises OnnxFileInvalid as `check_self_contained`, and for an operator that is not served."""
    for domain, name in _nodes(content):
        if (reason := objection(domain, name, packaged=packaged)) is not None:
            raise OnnxFileInvalid(reason)


def _nodes(content: bytes) -> Iterator[tuple[str, str]]:
    """Domain and operator of every node, those of functions and inner graphs included. Raises OnnxFileInvalid."""
    unread = [_Unread(_Part.MODEL, content)]  # each inside of the one before it, so that they are never many
    nodes = fields = 0
    while unread:
        here = unread[-1]
        for number, value in here.fields:
            fields += 1
            if fields > MOST_FIELDS:
                raise OnnxFileInvalid(f"has more than {MOST_FIELDS:,} fields; save its weights as raw data")
            _check_tensor(here.part, number, value)
            inner = PARTS[here.part].get(number)
            if inner is not None:
                if isinstance(value, int):
                    raise OnnxFileInvalid("is not an ONNX model")
                if len(unread) > DEEPEST:
                    raise OnnxFileInvalid("has graphs inside of graphs, deeper than any classifier")
                nodes += inner is _Part.NODE
                if nodes > MOST_NODES:
                    raise OnnxFileInvalid(f"has more than {MOST_NODES:,} nodes")
                unread.append(_Unread(inner, value))
                break
            if here.part is _Part.NODE and number in here.names and not isinstance(value, int):
                here.names[number] = bytes(value[:200]).decode("utf-8", errors="replace")
        else:
            unread.pop()
            if here.part is _Part.NODE:
                yield here.names[DOMAIN], here.names[OPERATOR]


class _Unread:
    """A message that is being read, and what was found in it."""

    def __init__(self, part: _Part, content: bytes | memoryview) -> None:
        self.part = part
        self.fields = _fields(memoryview(content))
        self.names = {OPERATOR: "", DOMAIN: ""}


def _check_tensor(part: _Part, number: int, value: memoryview | int) -> None:
    if part is _Part.TENSOR and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value == 1)):
        raise OnnxFileInvalid("keeps weights in other files, which are not read; save the model as one file")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Number and value of each field; fixed-width values are given as 0, nothing here asks for them."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire_type = key & 7
        value: memoryview | int = 0
        if wire_type == VARINT:
            value, at = _varint(message, at)
        elif wire_type == LENGTH_PREFIXED:
            length, at = _varint(message, at)
            value = message[at : at + length]
            at += length
        elif wire_type in {FIXED_64, FIXED_32}:
            at += 8 if wire_type == FIXED_64 else 4
        else:
            raise OnnxFileInvalid("is not an ONNX model")
        if at > len(message):
            raise OnnxFileInvalid("is cut short, or not an ONNX model")
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise OnnxFileInvalid("is cut short, or not an ONNX model")
