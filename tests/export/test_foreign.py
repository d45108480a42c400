"""Anyone's ONNX classifier as a graph of this project's shape (export/foreign.py)."""

from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import GraphUnsupported
from export.foreign import read_foreign, wrap
from export.graph import to_bytes
from export.onnx_source import plain_logits, read_onnx
from export.verify import load_session
from service.models.manifest import InputSpec, OutputSpec, PixelFormat
from tests.export.foreign_models import SIZE, classifier

SPEC = InputSpec(pixel_format=PixelFormat.RGB8, height=SIZE, width=SIZE, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx"


def written(file: Path, model: onnx.ModelProto) -> Path:
    file.write_bytes(to_bytes(model))
    return file


@pytest.mark.parametrize("opset", [7, 8, 9, 11, 13, 17, 21])
@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("softmax", [False, True])
def test_gives_what_plain_onnx_runtime_gives(file: Path, opset: int, batch: int | str, softmax: bool) -> None:
    """For any number of pictures, also where the graph takes one at a time; a softmax at the end is left out."""
    model = read_foreign(written(file, classifier(opset=opset, batch=batch, softmax=softmax, fixed_reshape=batch == 1)))
    assert (model.labels, model.fixed_batch, model.opset) == (3, batch == 1, opset)
    graph = wrap(model, SPEC, properties={"labels": "[]"})
    images = np.random.default_rng(0).integers(0, 256, size=(5, SIZE, SIZE, 3), dtype=np.uint8)
    session = load_session(to_bytes(graph), OutputSpec())
    expected = plain_logits(model, SPEC, images)
    np.testing.assert_allclose(session.run(images).logits, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(session.run(images[:1]).logits, expected[:1], rtol=0, atol=1e-5)
    assert np.ptp(expected) > 0.1


@pytest.mark.parametrize("ending", ["", "Identity", "Flatten"])
def test_a_closing_softmax_is_found(file: Path, ending: str) -> None:
    """Also behind nodes that change no number; softmax of the logits gives what the file gives."""
    model = read_foreign(written(file, classifier(softmax=True, ending=ending)))
    assert model.logits == "scores"


@pytest.mark.parametrize("batch", [1, "N"])
@pytest.mark.parametrize("size", [SIZE, "any"])
def test_channels_may_come_last_and_sizes_may_be_open(file: Path, batch: int | str, size: int | str) -> None:
    """As TensorFlow writes graphs; an open size is settled by the preprocessing."""
    model = read_foreign(written(file, classifier(batch=batch, channels_last=True, size=size)))
    assert (model.channels_last, model.channels, model.height) == (True, 3, SIZE if size == SIZE else 0)
    graph = wrap(model, SPEC, properties={"labels": "[]"})
    images = np.random.default_rng(0).integers(0, 256, size=(3, SIZE, SIZE, 3), dtype=np.uint8)
    logits = load_session(to_bytes(graph), OutputSpec()).run(images).logits
    np.testing.assert_allclose(logits, plain_logits(model, SPEC, images), rtol=0, atol=1e-5)
    same = read_foreign(written(file, classifier(batch=batch)))
    np.testing.assert_allclose(logits, plain_logits(same, SPEC, images), rtol=0, atol=1e-5)


def test_the_wrapped_graph_has_this_projects_shape(file: Path) -> None:
    """uint8 pictures in, an open batch, properties in the file."""
    graph = wrap(read_foreign(written(file, classifier())), SPEC, properties={"labels": "[]"})
    (image,), (logits,) = graph.graph.input, graph.graph.output
    assert (image.name, image.type.tensor_type.elem_type) == ("image", TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in logits.type.tensor_type.shape.dim] == ["batch", 3]
    assert {entry.key for entry in graph.metadata_props} == {"labels"}


def test_a_graph_with_external_data_is_refused(file: Path) -> None:
    """Before anything is read from another file."""
    model = classifier()
    onnx.external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, str(file))
    with pytest.raises(GraphUnsupported, match="keeps weights in other files"):
        read_foreign(file)


def test_a_graph_with_custom_operators_is_refused(file: Path) -> None:
    """The domain is named."""
    with pytest.raises(GraphUnsupported, match=r"uses operators of 'my\.domain'"):
        read_foreign(written(file, classifier(domain="my.domain")))


def test_an_old_operator_set_is_refused(file: Path) -> None:
    """With the one that is needed."""
    with pytest.raises(GraphUnsupported, match="has opset 6; convert it to 7"):
        read_foreign(written(file, classifier(opset=6)))


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08"])
def test_a_file_that_is_no_model_is_refused_in_one_line(file: Path, content: bytes) -> None:
    """Whatever is in it."""
    file.write_bytes(content)
    with pytest.raises(GraphUnsupported) as refusal:
        read_foreign(file)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    """With the system's reason."""
    with pytest.raises(GraphUnsupported, match=r"model\.onnx cannot be read: No such file"):
        read_foreign(file)


def test_another_input_is_refused(file: Path) -> None:
    """Four channels, integers, no pictures at all."""
    model = classifier()
    shapes: tuple[list[int | str | None], ...] = ([1, SIZE, SIZE, 4], [1, 3], ["N", "C", "H", "W"])
    for shape in shapes:
        model.graph.input[0].CopyFrom(helper.make_tensor_value_info("data", TensorProto.FLOAT, shape))
        with pytest.raises(GraphUnsupported):
            read_foreign(written(file, model))


@pytest.mark.parametrize("batch", [1, "N"])
def test_probabilities_that_no_softmax_node_makes_become_their_logarithms(file: Path, batch: int | str) -> None:
    """exp, sum and division, as some converters write it: softmax of our logits gives what the file gives."""
    graph = classifier(batch=batch)
    graph.graph.node[-1].output[0] = "scores"
    graph.graph.node.extend([
        helper.make_node("Exp", ["scores"], ["powers"]),
        helper.make_node("ReduceSum", ["powers", "axis"], ["whole"], keepdims=1),
        helper.make_node("Div", ["powers", "whole"], ["answer"]),
    ])  # fmt: skip
    graph.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    preprocessing, labels = file.with_name("p.json"), file.with_name("labels.txt")
    preprocessing.write_text(SPEC.model_dump_json(include={"mean", "std"}))
    labels.write_text("a\nb\nc\n")
    source = read_onnx(written(file, graph), labels=str(labels), preprocessing=str(preprocessing))
    images = np.random.default_rng(0).integers(0, 256, size=(5, SIZE, SIZE, 3), dtype=np.uint8)
    logits = load_session(to_bytes(source.graph), OutputSpec()).run(images).logits
    powers = np.exp(plain_logits(read_foreign(written(file, classifier(batch=batch))), SPEC, images))
    np.testing.assert_allclose(np.exp(logits), powers / powers.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(source.reference(images), logits, atol=1e-4)


def test_a_closing_sigmoid_is_refused(file: Path) -> None:
    """Its numbers do not exclude each other."""
    model = classifier(softmax=True)
    model.graph.node[-1].op_type = "Sigmoid"
    del model.graph.node[-1].attribute[:]
    with pytest.raises(GraphUnsupported, match="ends in a sigmoid"):
        read_foreign(written(file, model))


def test_a_fixed_batch_of_several_is_refused(file: Path) -> None:
    """A batch of one is run picture by picture; eight cannot be."""
    with pytest.raises(GraphUnsupported, match="takes 8 pictures at a time"):
        read_foreign(written(file, classifier(batch=8)))


def test_a_function_of_the_models_own_is_to_be_put_inline(file: Path) -> None:
    """The runtime takes such a graph, the service's list of operators does not; what the message advises helps."""
    model = classifier(domain="my.fn")
    body = [helper.make_node("Relu", ["x"], ["y"])]
    model.functions.append(helper.make_function("my.fn", "Relu", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    with pytest.raises(GraphUnsupported, match=r"operators of its own \('my\.fn'\).*inline_local_functions"):
        read_foreign(written(file, model))
    assert read_foreign(written(file, onnx.inliner.inline_local_functions(model))).labels == 3


def test_a_size_that_the_head_does_not_fit_is_said_in_one_line(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The graph leaves the size open; the runtime's own log stays silent."""
    nodes = [helper.make_node("Flatten", ["data"], ["flat"]), helper.make_node("Gemm", ["flat", "head"], ["answer"])]
    graph = helper.make_graph(
        nodes,
        "open",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(np.ones((12, 3), np.float32), "head")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(GraphUnsupported, match=r"picture of 12 x 12: .*GEMM.*can name another height") as refusal:
        plain_logits(read_foreign(written(file, model)), SPEC, np.zeros((1, SIZE, SIZE, 3), np.uint8))
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_the_runtime_lacks_is_named(file: Path) -> None:
    """Whole, with its domain."""
    model = read_foreign(written(file, classifier(domain="com.microsoft")))
    with pytest.raises(GraphUnsupported, match=r"the model: com\.microsoft:Relu.* is not a registered function/op"):
        plain_logits(model, SPEC, np.zeros((1, SIZE, SIZE, 3), np.uint8))
