"""Anyone's ONNX classifier (NCHW or NHWC float pictures in, a number for each label out) as a graph of our own shape.

uint8 `image` `[batch, H, W, C]` goes in; cast, layout and normalisation are put before the foreign graph. A graph that
takes one picture at a time is run picture by picture inside. Logits come out: a closing softmax is left out, and where
probabilities come in another way, as their logarithms.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper, version_converter

from export.errors import GraphUnsupported
from export.graph import BATCH, INPUT, OUTPUTS
from service.models.manifest import InputSpec
from service.models.onnx_file import OnnxFileInvalid, check_self_contained

LEAST_OPSET = 7
SCAN_OPSET = 9
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that ONNX Runtime brings itself."""
PASSING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze"})
CHANNELS = frozenset({1, 3})
PREFIX = "foreign/"
LEAST_PROBABILITY = 1e-30
"""Added before the logarithm, which of nothing is no number."""
ROW = "row"
PICTURE = "picture"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignModel:
    """A graph whose only input is a picture and whose output `logits` has a number for each label."""

    graph: onnx.ModelProto
    input: str
    logits: str
    channels: int
    channels_last: bool
    height: int
    """0 where the graph takes any."""
    width: int
    labels: int
    fixed_batch: bool
    opset: int
    probabilities: bool = False
    """Whether `logits` holds probabilities, which shows only in its numbers."""


def read_foreign(path: Path) -> ForeignModel:
    """Raises GraphUnsupported with what is wrong with the file."""
    try:
        content = path.read_bytes()
        check_self_contained(content)
        graph = onnx.load_from_string(content)
        onnx.checker.check_model(graph)
    except OSError as error:
        raise GraphUnsupported(f"{path} cannot be read: {error.strerror}") from error
    except OnnxFileInvalid as error:
        raise GraphUnsupported(f"{path} {error}") from error
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise GraphUnsupported(f"{path} is not a valid ONNX model: {reason}") from error
    strange = sorted({node.domain for node in graph.graph.node} - DOMAINS)
    own = sorted({function.domain for function in graph.functions} & set(strange))
    if own:  # the runtime takes them, the service's list of operators does not
        raise GraphUnsupported(
            f"{path} defines operators of its own ({own[0]!r}); put what they do in their place with "
            "`onnx.inliner.inline_local_functions`"
        )
    if strange:
        raise GraphUnsupported(f"{path} uses operators of {strange[0]!r}, which ONNX Runtime does not bring")
    opset = max(opset.version for opset in graph.opset_import if opset.domain in {"", "ai.onnx"})
    if opset < LEAST_OPSET:
        raise GraphUnsupported(f"{path} has opset {opset}; convert it to {LEAST_OPSET} or higher")
    return _described(path, graph, opset)


def _described(path: Path, graph: onnx.ModelProto, opset: int) -> ForeignModel:
    stored = {tensor.name for tensor in graph.graph.initializer}
    inputs = [value for value in graph.graph.input if value.name not in stored]
    shape = _dimensions(inputs[0]) if len(inputs) == 1 else []
    channels_last = len(shape) == 4 and shape[1] not in CHANNELS and shape[3] in CHANNELS
    channels, height, width = (
        (shape[3], shape[1], shape[2]) if channels_last else (shape[1:] if len(shape) == 4 else (0, 0, 0))
    )
    if channels not in CHANNELS:
        raise GraphUnsupported(
            f"{path} must have one input [batch, 1 or 3 channels, height, width], or with the channels last; it has "
            + ", ".join(f"{value.name} {_dimensions(value)}" for value in inputs)
        )
    if inputs[0].type.tensor_type.elem_type != TensorProto.FLOAT:
        raise GraphUnsupported(f"{path}: the input {inputs[0].name} must be float32")
    if shape[0] > 1:
        raise GraphUnsupported(
            f"{path} takes {shape[0]} pictures at a time, always; export it with an open batch, or one of 1"
        )
    answers = [value for value in graph.graph.output if _labels(value) > 1]
    if not answers:
        raise GraphUnsupported(f"{path} has no output [batch, labels] of float32")
    answer = answers[0]
    return ForeignModel(
        graph=graph,
        input=inputs[0].name,
        logits=_before_softmax(graph, answer.name),
        channels=channels,
        channels_last=channels_last,
        height=height,
        width=width,
        labels=_labels(answer),
        fixed_batch=shape[0] == 1,
        opset=opset,
    )


def _before_softmax(graph: onnx.ModelProto, answer: str) -> str:
    """What a closing softmax takes, which may stand before nodes that change no number; else the answer."""
    producers = {name: node for node in graph.graph.node for name in node.output}
    producer = producers.get(answer)
    while producer is not None and producer.op_type in PASSING:
        producer = producers.get(producer.input[0])
    if producer is not None and producer.op_type == "Sigmoid":
        raise GraphUnsupported(
            "the model ends in a sigmoid: it says of each label by itself whether it is there, while a package gives "
            "probabilities that add up to one; import the graph without it if its labels exclude each other"
        )
    closes = producer is not None and producer.op_type in {"Softmax", "LogSoftmax"}
    return str(producer.input[0]) if producer is not None and closes else answer


def _labels(value: onnx.ValueInfoProto) -> int:
    """Size of the second dimension where all later ones are 1; else 0."""
    shape = _dimensions(value)
    is_float = value.type.tensor_type.elem_type == TensorProto.FLOAT
    return shape[1] if is_float and len(shape) >= 2 and all(size == 1 for size in shape[2:]) else 0


def _dimensions(value: onnx.ValueInfoProto) -> list[int]:
    """0 where a size is open."""
    return [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def plain(model: ForeignModel) -> onnx.ModelProto:
    """The foreign graph with its logits for an output and nothing else changed."""
    graph = onnx.ModelProto()
    graph.CopyFrom(model.graph)
    del graph.graph.output[:]
    graph.graph.output.append(helper.make_tensor_value_info(model.logits, TensorProto.FLOAT, None))
    return graph


def wrap(model: ForeignModel, spec: InputSpec, *, properties: dict[str, str]) -> onnx.ModelProto:
    """The checked graph `image` → `logits`. Raises GraphUnsupported."""
    foreign, opset = plain(model), model.opset
    if model.fixed_batch and opset < SCAN_OPSET:
        foreign, opset = version_converter.convert_version(foreign, SCAN_OPSET), SCAN_OPSET
    foreign = compose.add_prefix(foreign, PREFIX)
    nodes, constants = _normalisation(model, spec)
    rows = [model.labels] if model.fixed_batch else [0, model.labels]
    constants += [_constant("logits_shape", rows, np.int64), *foreign.graph.initializer]
    answer = ROW if model.fixed_batch else OUTPUTS.logits
    given = "probabilities" if model.probabilities else answer
    nodes += [*foreign.graph.node, helper.make_node("Reshape", [PREFIX + model.logits, "logits_shape"], [given])]
    if model.probabilities:
        constants.append(_constant("least", LEAST_PROBABILITY, np.float32))
        nodes += [helper.make_node("Add", [given, "least"], ["above"]), helper.make_node("Log", ["above"], [answer])]
    image = [spec.height, spec.width, spec.channels]
    if model.fixed_batch:
        nodes, constants = [_one_by_one(nodes, constants, image, model.labels)], []
    outer = helper.make_graph(
        nodes,
        "imported",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [BATCH, *image])],
        [helper.make_tensor_value_info(OUTPUTS.logits, TensorProto.FLOAT, [BATCH, model.labels])],
        constants,
    )
    others = [entry for entry in foreign.opset_import if entry.domain not in {"", "ai.onnx"}]
    wrapped = helper.make_model(
        outer,
        opset_imports=[helper.make_opsetid("", opset), *others],
        ir_version=max(4, foreign.ir_version),
        functions=list(foreign.functions),
    )
    helper.set_model_props(wrapped, properties)
    onnx.checker.check_model(wrapped)
    return wrapped


def _one_by_one(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], image: list[int], labels: int
) -> onnx.NodeProto:
    """Runs the nodes for each picture of the batch."""
    body = helper.make_graph(
        nodes,
        "picture",
        [helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, image)],
        [helper.make_tensor_value_info(ROW, TensorProto.FLOAT, [labels])],
        constants,
    )
    return helper.make_node("Scan", [INPUT], [OUTPUTS.logits], body=body, num_scan_inputs=1)


def _normalisation(model: ForeignModel, spec: InputSpec) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """uint8 (N, H, W, C), or one picture (H, W, C), → floats as the model takes them, mean and deviation taken out."""
    fixed = model.fixed_batch
    values = (1, 1, 1, -1) if model.channels_last else (1, -1, 1, 1)
    constants = [
        _constant("picture_shape", [1 if fixed else -1, spec.height, spec.width, spec.channels], np.int64),
        _constant("whole", 255, np.float32),
        _constant("mean", np.reshape(spec.mean, values), np.float32),
        _constant("std", np.reshape(spec.std, values), np.float32),
    ]
    layout = [0, 1, 2, 3] if model.channels_last else [0, 3, 1, 2]
    nodes = [
        helper.make_node("Cast", [PICTURE if fixed else INPUT], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["floats", "picture_shape"], ["pictures"]),
        helper.make_node("Transpose", ["pictures"], ["planes"], perm=layout),
        helper.make_node("Div", ["planes", "whole"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], [PREFIX + model.input]),
    ]
    return nodes, constants


def _constant(name: str, value: Any, kind: type[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype=kind), name)
