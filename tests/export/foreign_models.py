"""Small ONNX classifiers as others make them: any opset, NCHW float32 input, fixed or open batch, softmax or not."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

LABELS = ("cat", "dog", "bird")
SIZE = 12


def classifier(
    *,
    opset: int = 17,
    batch: int | str = "N",
    softmax: bool = False,
    fixed_reshape: bool = False,
    domain: str = "",
    channels_last: bool = False,
    ending: str = "",
    size: int | str = SIZE,
) -> onnx.ModelProto:
    """A convolution, a mean and a linear layer. `fixed_reshape` writes the batch of 1 into the graph, as many do."""
    generator = np.random.default_rng(0)
    weights: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
        "kernel": generator.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "head": generator.normal(size=(4, 3)).astype(np.float32),
        "shape": np.array([1 if fixed_reshape else 0, 4], dtype=np.int64),
    }
    answer = "scores" if softmax else "answer"
    nodes = [helper.make_node("Transpose", ["data"], ["planes"], perm=[0, 3, 1, 2])] if channels_last else []
    nodes += [
        helper.make_node("Conv", ["planes" if channels_last else "data", "kernel"], ["maps"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["maps"], ["positive"], domain=domain),
        helper.make_node("GlobalAveragePool", ["positive"], ["means"]),
        helper.make_node("Reshape", ["means", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], [answer]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["scores"], ["shares" if ending else "answer"], axis=1))
    if ending:
        nodes.append(helper.make_node(ending, ["shares"], ["answer"]))
    shape = [batch, size, size, 3] if channels_last else [batch, 3, size, size]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def write_pictures(directory: Path, *, folders: bool = False, count: int = 6) -> None:
    """Noisy pictures of another shape than the model's, in folders named after labels or not."""
    generator = np.random.default_rng(1)
    for number in range(count):
        place = directory / LABELS[number % 3] if folders else directory
        place.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, size=(20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
