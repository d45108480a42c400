"""The ONNX graph of a trained model (export/graph.py)."""

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from torch import Tensor, nn

from export.errors import GraphUnsupported
from export.graph import OPSET, build_graph, embedding_size, to_bytes
from service.engine.session import Session
from training.checkpoint import Run
from training.data import Splits
from training.evaluate import Predictions, as_tensor, normalise
from training.models import Classifier


def dimensions(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]


def test_takes_pictures_as_a_decoder_leaves_them(graph: onnx.ModelProto) -> None:
    """uint8, channels last, any number of them."""
    (image,) = graph.graph.input
    assert image.name == "image"
    assert image.type.tensor_type.elem_type == TensorProto.UINT8
    assert dimensions(image) == ["batch", 28, 28, 1]


def test_gives_logits_and_embedding(graph: onnx.ModelProto) -> None:
    """Both float32, a row for each picture."""
    logits, embedding = graph.graph.output
    assert (logits.name, dimensions(logits)) == ("logits", ["batch", 10])
    assert (embedding.name, dimensions(embedding)) == ("embedding", ["batch", 1568])
    assert {output.type.tensor_type.elem_type for output in graph.graph.output} == {TensorProto.FLOAT}
    assert embedding_size(graph) == 1568


def test_has_the_stated_opset_alone(graph: onnx.ModelProto) -> None:
    """No custom operators, and the checker agrees."""
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", OPSET)]
    onnx.checker.check_model(to_bytes(graph), full_check=True)


def test_is_one_file(graph: onnx.ModelProto) -> None:
    """All weights are inside."""
    assert all(tensor.data_location != TensorProto.EXTERNAL for tensor in graph.graph.initializer)
    assert (
        sum(int(np.prod(tensor.dims)) for tensor in graph.graph.initializer) == 28_938 + 2 + 1 + 2
    )  # folded weights; mean, std; 255; the shape of the flattening


def test_batch_normalisation_is_folded_into_the_convolutions(graph: onnx.ModelProto) -> None:
    """Two convolutions, nothing else with weights but the head."""
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("Conv") == 2
    assert "BatchNormalization" not in kinds


def test_nothing_that_is_known_is_left_to_compute(graph: onnx.ModelProto) -> None:
    """No node has constants alone for its inputs, and none is a constant itself."""
    known = {tensor.name for tensor in graph.graph.initializer}
    assert "Constant" not in {node.op_type for node in graph.graph.node}
    assert not [node.op_type for node in graph.graph.node if set(node.input) <= known]


def test_carries_labels_preprocessing_and_family(graph: onnx.ModelProto, run: Run) -> None:
    """For runtimes that know nothing of the manifest."""
    properties = {entry.key: entry.value for entry in graph.metadata_props}
    assert properties["family"] == "fashion_cnn"
    assert properties["digest"] == run.digest
    assert json.loads(properties["labels"]) == list(run.record.labels)
    assert json.loads(properties["preprocessing"])["mean"] == [0.286]


def test_says_nothing_of_the_machine_that_exported(graph: onnx.ModelProto) -> None:
    """The exporter's stack traces name files and folders."""
    assert b".py" not in to_bytes(graph)
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)


def test_the_same_run_gives_the_same_bytes(graph: onnx.ModelProto, run: Run) -> None:
    """So digests can be compared."""
    assert to_bytes(build_graph(run.build_model(), run)) == to_bytes(graph)


@pytest.mark.parametrize("count", [1, 3, 64])
def test_any_batch_size_gives_what_torch_gives(session: Session, splits: Splits, test: Predictions, count: int) -> None:
    """Row for row."""
    logits = session.run(splits.test.pixels[:count]).logits
    np.testing.assert_allclose(logits, test.logits[:count], rtol=0, atol=1e-4)


def test_the_embedding_is_what_the_head_sees(session: Session, splits: Splits, run: Run) -> None:
    """Not the logits, nor something before the pooling."""
    pixels = splits.test.pixels[:8]
    with torch.inference_mode():
        expected = run.build_model().features(normalise(as_tensor(pixels), run.record.preprocessing)).numpy()
    embeddings = session.run(pixels).embeddings
    assert embeddings is not None
    np.testing.assert_allclose(embeddings, expected, rtol=0, atol=1e-4)


class Undecided(Classifier):
    """Branches on the values of its input, which a graph cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(784, 10)

    def features(self, images: Tensor) -> Tensor:
        flat = images.flatten(1)
        return flat if float(flat.sum()) > 0 else -flat


def test_a_model_that_onnx_cannot_express_is_refused_in_one_line(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    """With the cause; the exporter's own report is not shown."""
    with pytest.raises(GraphUnsupported, match="cannot be expressed in ONNX, opset 20") as caught:
        build_graph(Undecided().eval(), run)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
