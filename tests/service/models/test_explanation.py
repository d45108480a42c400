"""The graph for explanations, at load."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper, load_model_from_string, numpy_helper

from service.models.repository import PackageRefused
from tests.service.in_process import built, serving
from tests.service.packages import PackageRecipe, explanation_graph, graph


def skewed_graph(factor: float = 2.0) -> bytes:
    """A graph whose logits are right and whose maps are not: one column of them is multiplied."""
    model = load_model_from_string(explanation_graph())
    double = np.ones((1, 1, 8, 12), dtype=np.float32)
    double[..., 5] = factor
    model.graph.initializer.append(numpy_helper.from_array(double, "double"))
    for node in model.graph.node:
        node.input[:] = ["exact" if name == "class_activation" else name for name in node.input]
        node.output[:] = ["exact" if name == "class_activation" else name for name in node.output]
    model.graph.node.append(helper.make_node("Mul", ["exact", "double"], ["class_activation"]))
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (skewed_graph(), "maps miss the golden logits"),
        (skewed_graph(float("nan")), "maps miss the golden logits by nan"),
        (graph(), "cannot be loaded and run as the manifest says"),
        (b"no graph", "is not an ONNX model"),
    ],
    ids=["maps that do not add up", "maps of NaN", "no maps", "no graph"],
)
async def test_a_graph_that_explains_something_else_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    """The version does not start, and the sentence names the file."""
    PackageRecipe(explanation=content).write(tmp_path)
    async with built(tmp_path) as service:
        with pytest.raises(PackageRefused, match=rf"thirds/1/model\.explain\.onnx.*{complaint}"):
            await service.server.run()


async def test_a_good_one_is_loaded(tmp_path: Path) -> None:
    """And one flipped bit of it is found by its digest."""
    directory = PackageRecipe(explanation=explanation_graph()).write(tmp_path)
    async with serving(tmp_path) as service:
        assert await service.health("thirds") == "SERVING"
    path = directory / "model.explain.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    async with built(tmp_path) as service:
        with pytest.raises(PackageRefused, match="changed after publishing"):
            await service.server.run()
