"""Pictures that carry a number, and models whose answers give it back, so that an answer tells whose it is.

The model of tests/service/packages.py gives the mean brightness of each third of a picture: three bytes, a number below
2^24. Each version multiplies its logits by another gain, so that an answer tells which version gave it too.
"""

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.models.golden import GoldenSamples
from service.models.manifest import MANIFEST_FILE, digest_of
from tests.service.models.damage import graph_with
from tests.service.packages import GAIN, PackageRecipe, encode, golden, picture

WIDTH = 4
NAME = "thirds"


def picture_of(number: int) -> bytes:
    """An image file that carries a number below 2^24."""
    pixels = picture(0)
    for place in range(3):
        pixels[:, place * WIDTH : (place + 1) * WIDTH] = number >> (8 * place) & 255
    return encode(pixels, "BMP")


def number_of(embedding: npt.ArrayLike) -> int:
    """The number that an embedding gives back."""
    thirds = np.rint(np.asarray(embedding, dtype=np.float64) * 255).astype(int)
    return int(sum(int(value) << (8 * place) for place, value in enumerate(thirds)))


def probabilities_of(number: int, *, gain: float) -> npt.NDArray[np.float64]:
    """What the version with this gain answers: the shares of the three labels."""
    logits = np.array([number >> (8 * place) & 255 for place in range(3)]) / 255 * gain
    powers = np.exp(logits - logits.max())
    shares: npt.NDArray[np.float64] = powers / powers.sum()
    return shares


def gain_of(version: int) -> float:
    return GAIN + version / 8


def publish(root: Path, version: int, *, work: int = 0, name: str = NAME) -> str:
    """Publishes a version as `recognition-export` does, whole or not at all; gives its digest.

    `work` is what one image costs, in thousands of error functions.
    """
    gain = gain_of(version)
    samples = golden()
    scaled = GoldenSamples(
        images=samples.images, labels=samples.labels, logits=(samples.logits / GAIN * gain).astype(np.float32)
    )
    graph = graph_with("gain", gain)
    recipe = PackageRecipe(name=name, version=version, graph=working(graph, work) if work else graph, golden=scaled)
    staging = root / ".staging"
    directory = recipe.write(staging)
    (root / name).mkdir(parents=True, exist_ok=True)
    directory.rename(root / name / str(version))
    return digest_of((root / name / str(version) / MANIFEST_FILE).read_bytes())


def working(graph: bytes, work: int) -> bytes:
    """The same graph with much work that changes nothing: its cost grows with the images, as that of a real one."""
    model = onnx.load_from_string(graph)
    body = model.graph
    repeats = numpy_helper.from_array(np.array([1, work * 1000 // (8 * 96)], dtype=np.int64), "repeats")
    flat = numpy_helper.from_array(np.array([0, 96], dtype=np.int64), "flat")
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "work_axes")
    nothing = numpy_helper.from_array(np.array(0, dtype=np.float32), "nothing")
    body.initializer.extend([repeats, flat, axes, nothing])
    last = body.node[-1]
    last.output[0] = "plain_logits"
    node = partial(helper.make_node)
    body.node.extend([node("Reshape", ["scaled", "flat"], ["pixels"]), node("Tile", ["pixels", "repeats"], ["work0"])])
    body.node.extend(node("Erf", [f"work{step}"], [f"work{step + 1}"]) for step in range(8))
    body.node.extend(
        [
            node("ReduceSum", ["work8", "work_axes"], ["worked"], keepdims=1),
            node("Mul", ["worked", "nothing"], ["zero"]),
            node("Add", ["plain_logits", "zero"], ["logits"]),
        ]
    )
    assert body.output[0].type.tensor_type.elem_type == TensorProto.FLOAT
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
