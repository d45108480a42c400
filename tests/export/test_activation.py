"""The graph for heat maps (export/activation.py)."""

import numpy as np
import onnx
import pytest
import torch

from export.activation import with_class_activation
from export.graph import to_bytes
from service.engine.activation import Activations, ActivationSession
from service.engine.providers import CPU_PROVIDER
from tests.export.families import Families, pictures
from training.checkpoint import Run
from training.data import Splits
from training.evaluate import Predictions


def run_explained(graph: onnx.ModelProto, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Activations:
    session = ActivationSession.load(
        to_bytes(graph), provider=CPU_PROVIDER, threads=1, tensor="image", logits="logits", maps="class_activation"
    )
    return session.run(images)


def test_maps_add_up_to_the_logits_less_the_bias(
    graph: onnx.ModelProto, run: Run, splits: Splits, test: Predictions
) -> None:
    """For a head on flattened maps; the other outputs stay what they were."""
    explained = with_class_activation(graph)
    assert explained is not None
    activations = run_explained(explained, splits.test.pixels[:20])
    assert activations.maps.shape == (20, 10, 7, 7)
    np.testing.assert_allclose(activations.logits, test.logits[:20], rtol=0, atol=1e-4)
    bias = run.build_model().state_dict()["classifier.bias"].numpy()
    np.testing.assert_allclose(activations.maps.sum(axis=(2, 3)) + bias, test.logits[:20], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "linear"), [("resnet20", True), ("nin", True), ("lenet5", False)])
def test_only_linear_heads_have_maps(families: Families, splits: Splits, name: str, linear: bool) -> None:
    """Pooled maps count for their share of the mean; layers between the maps and the head leave no map."""
    family = families(name)
    explained = with_class_activation(family.graph)
    assert (explained is not None) == linear
    if explained is not None:
        activations = run_explained(explained, pictures(family.model.input_shape, splits, 4))
        bias = family.model.state_dict().get("classifier.bias", torch.zeros(10)).numpy()
        np.testing.assert_allclose(activations.maps.sum(axis=(2, 3)) + bias, activations.logits, rtol=0, atol=1e-4)
