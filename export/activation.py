"""The graph for heat maps: where the head is linear on the last feature maps, one more output says what each place of
the picture adds to each label's logit. The places of a map add up to the logit less its bias, exactly.
"""

import copy

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from export.graph import OUTPUTS

OUTPUT = "class_activation"


def with_class_activation(graph: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy with the output `class_activation` `[batch, labels, h, w]`; None where the head is anything else."""
    producers = {name: node for node in graph.graph.node for name in node.output}
    reshape = producers.get(str(OUTPUTS.embedding))
    same = reshape is not None and reshape.op_type == "Identity"  # the embedding is the logits, without a head
    if same:
        reshape = producers.get(OUTPUTS.logits)
    if reshape is None or reshape.op_type not in {"Reshape", "Flatten"}:
        return None
    pooling = producers.get(reshape.input[0])
    pooled = pooling is not None and pooling.op_type in {"ReduceMean", "GlobalAveragePool"}
    maps = pooling.input[0] if pooling is not None and pooled else reshape.input[0]
    shape = _shape(graph, maps)
    identity = np.eye(shape[1] if len(shape) == 4 else 0, dtype=np.float32)
    weights = identity if same else _weights(graph, producers[OUTPUTS.logits])
    if len(shape) != 4 or weights is None:
        return None
    channels, height, width = shape[1:]
    if weights.shape[1] != channels * (1 if pooled else height * width):
        return None
    names = [maps, f"{OUTPUT}_weights"]
    if pooled:  # each place counts for its share of the mean
        kernel = (weights / np.float32(height * width)).reshape(-1, channels, 1, 1)
        node = helper.make_node("Conv", names, [OUTPUT])
    else:
        kernel = weights.reshape(-1, channels, height, width)
        node = helper.make_node("Einsum", names, [OUTPUT], equation="nchw,kchw->nkhw")
    return _extended(graph, node, numpy_helper.from_array(kernel.astype(np.float32), names[1]), (height, width))


def _extended(
    graph: onnx.ModelProto, node: onnx.NodeProto, kernel: onnx.TensorProto, size: tuple[int, int]
) -> onnx.ModelProto:
    extended = copy.deepcopy(graph)
    extended.graph.initializer.append(kernel)
    extended.graph.node.append(node)
    batch = graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    extended.graph.output.append(
        helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, kernel.dims[0], *size])
    )
    onnx.checker.check_model(extended, full_check=True)
    return extended


def _weights(graph: onnx.ModelProto, head: onnx.NodeProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    """Of the linear layer from the embedding to the logits, (labels, D); None for another head."""
    if OUTPUTS.embedding not in head.input:
        return None
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in head.attribute}
    plain = attributes.get("alpha", 1.0) == 1.0 and not attributes.get("transA", 0)
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    if head.op_type != "Gemm" or not plain or head.input[1] not in stored:
        return None
    matrix = numpy_helper.to_array(stored[head.input[1]])
    return matrix if attributes.get("transB", 0) else matrix.T


def _shape(graph: onnx.ModelProto, name: str) -> tuple[int, ...]:
    """Of a value inside the graph, 0 where a size is open; empty where nothing is known."""
    values = {value.name: value for value in shape_inference.infer_shapes(graph).graph.value_info}
    if name not in values:
        return ()
    return tuple(dimension.dim_value for dimension in values[name].type.tensor_type.shape.dim)
