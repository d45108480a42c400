"""The int8 form of a graph (export/quantize.py)."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from export.errors import WorkspaceUnusable
from export.graph import OPSET, OUTPUTS, to_bytes
from export.quantize import FLOAT_LAYERS, METHODS, Quantised, calibration_images, quantize
from export.verify import load_session, logits_of
from service.engine.session import Session
from training.data import Splits


@pytest.fixture(scope="module")
def quantised(graph: onnx.ModelProto, session: Session, splits: Splits) -> Quantised:
    images = splits.test.pixels
    return quantize(
        graph,
        calibration=calibration_images(splits.train.pixels),
        validation=images,
        reference=logits_of(session, images),
    )


def test_answers_almost_as_float32_does(quantised: Quantised, session: Session, splits: Splits) -> None:
    """The stated agreement is what is found."""
    images = splits.test.pixels
    answers = logits_of(load_session(to_bytes(quantised.graph), OUTPUTS), images).argmax(axis=1)
    agreement = float(np.mean(answers == logits_of(session, images).argmax(axis=1)))
    key = "+".join((quantised.facts.method, *quantised.facts.float_layers))
    assert quantised.facts.agreements[key] == agreement > 0.95


def test_every_setting_is_compared(quantised: Quantised) -> None:
    """Both methods, and with the better one both ends in float32 or not."""
    assert set(METHODS) <= set(quantised.facts.agreements)
    assert len(quantised.facts.agreements) == len(METHODS) + len(FLOAT_LAYERS) - 1
    assert quantised.facts.calibration_images == 512


def test_weights_are_folded_into_int8_for_each_channel(quantised: Quantised) -> None:
    """No float copy of them is left, and no node quantises them at run time."""
    stored = {tensor.name: tensor for tensor in quantised.graph.graph.initializer}
    convolutions = [node for node in quantised.graph.graph.node if node.op_type == "Conv"]
    producers = {name: node for node in quantised.graph.graph.node for name in node.output}
    quantised_weights = [
        stored[producers[node.input[1]].input[0]] for node in convolutions if node.input[1] in producers
    ]
    assert quantised_weights
    for weights in quantised_weights:
        assert weights.data_type == TensorProto.INT8
        scales = stored[next(n.input[1] for n in quantised.graph.graph.node if n.input[0] == weights.name)]
        assert list(scales.dims) == [weights.dims[0]]
    assert not any(node.op_type == "QuantizeLinear" and node.input[0] in stored for node in quantised.graph.graph.node)
    assert "BatchNormalization" not in {node.op_type for node in quantised.graph.graph.node}


def test_nothing_that_is_known_is_left_to_compute_but_the_scaling_of_weights(quantised: Quantised) -> None:
    """Which ONNX Runtime folds into its integer kernels; biases are int32 with the product of both scales."""
    stored = {tensor.name: tensor for tensor in quantised.graph.graph.initializer}
    of_constants = [node for node in quantised.graph.graph.node if set(node.input) <= set(stored)]
    assert {node.op_type for node in of_constants} == {"DequantizeLinear"}
    assert {stored[node.input[0]].data_type for node in of_constants} == {TensorProto.INT8, TensorProto.INT32}


def test_is_a_plain_graph_with_its_properties(quantised: Quantised, graph: onnx.ModelProto) -> None:
    """One operator set, the checker agrees, and labels and preprocessing came along."""
    onnx.checker.check_model(quantised.graph, full_check=True)
    assert [(opset.domain, opset.version) for opset in quantised.graph.opset_import] == [("", OPSET)]
    assert {entry.key for entry in graph.metadata_props} <= {entry.key for entry in quantised.graph.metadata_props}
    assert quantised.graph.ByteSize() < graph.ByteSize()


def test_calibration_images_are_spread_over_the_split() -> None:
    """The first and the last among them; all where there are few."""
    pixels = np.arange(10_000, dtype=np.int64).reshape(-1, 1, 1, 1).astype(np.uint8)
    assert len(calibration_images(pixels)) == 512
    assert len(calibration_images(pixels[:7])) == 7


def test_a_full_disk_is_said_in_one_line(
    graph: onnx.ModelProto, splits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the files are made, and how to have them made elsewhere."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    images = splits.test.pixels[:4]
    with pytest.raises(WorkspaceUnusable, match=r"below .*not there, which cannot be used: .*TMPDIR"):
        quantize(graph, calibration=images, validation=images, reference=np.zeros((4, 10), dtype=np.float32))
