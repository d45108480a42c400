"""How a graph's own tensors and config.pbtxt become what callers see."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
from google.protobuf import text_format
from recognition.oip.model_config_pb2 import ModelConfig

from service.engine.datatypes import Datatype
from service.engine.tensor_session import TensorSpec
from service.models.package import PackageRefused
from service.models.plain_signature import PlainSignature, signature_of

NO_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def spec(name: str, *shape: int, datatype: Datatype = Datatype.FP32) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


def signature(
    inputs: list[TensorSpec],
    outputs: list[TensorSpec],
    config: str | None = None,
    labels: Mapping[str, tuple[str, ...]] = NO_LABELS,
) -> PlainSignature:
    parsed = None if config is None else text_format.Parse(config, ModelConfig())
    return signature_of("m", inputs, outputs, config=parsed, labels=labels, batch_size=16)


def test_open_first_dimensions_are_a_batch() -> None:
    """Dims are told without it, shapes with it."""
    found = signature([spec("x", -1, 3)], [spec("y", -1, 2)])
    assert found.max_batch_size == 16
    batching = found.config.dynamic_batching
    assert (batching.priority_levels, batching.default_priority_level) == (3, 2)
    assert (list(found.config.input[0].dims), found.inputs[0].shape) == ([3], (-1, 3))
    assert (found.config.platform, found.config.backend) == ("onnxruntime_onnx", "onnxruntime")


def test_priorities_are_those_of_the_service() -> None:
    """Whatever the file says; a model that shares no batches says nothing of them."""
    text = "max_batch_size: 4 %s"
    found = signature([spec("x", -1)], [spec("y", -1)], text % "dynamic_batching { priority_levels: 7 }")
    assert found.config.dynamic_batching.priority_levels == 3
    alone = signature([spec("x", -1)], [spec("y", -1)], text % "")
    assert not alone.config.HasField("dynamic_batching")


@pytest.mark.parametrize(("given", "got"), [((1, 3), (-1, 2)), ((-1, 3), (1, 2)), ((), (-1,))])
def test_a_fixed_first_dimension_is_no_batch(given: tuple[int, ...], got: tuple[int, ...]) -> None:
    """Of any tensor."""
    found = signature([spec("x", *given)], [spec("y", *got)])
    assert found.max_batch_size == 0
    assert found.inputs[0].shape == given
    assert list(found.config.output[0].dims) == list(got)


def test_a_configuration_decides_about_batches() -> None:
    """Listed inputs without max_batch_size mean that there are none, though the graph could."""
    text = 'input { name: "x" data_type: TYPE_FP32 dims: [-1, 3] }'
    assert signature([spec("x", -1, 3)], [spec("y", -1, 2)], text).max_batch_size == 0
    assert signature([spec("x", -1, 3)], [spec("y", -1, 2)], "max_batch_size: 4").max_batch_size == 4


def test_reshaped_tensors_are_seen_as_configured() -> None:
    """And the graph's own shapes are kept."""
    found = signature(
        [spec("x", 1, 3, 2)],
        [spec("y", 1, 4, 1, 1)],
        'input { name: "x" data_type: TYPE_FP32 dims: [3, 2] reshape { shape: [1, 3, 2] } }'
        'output { name: "y" data_type: TYPE_FP32 dims: [4] reshape { shape: [1, 4, 1, 1] } }',
    )
    assert (found.inputs[0].shape, found.outputs[0].shape) == ((3, 2), (4,))
    assert found.graph_shapes == {"x": (1, 3, 2), "y": (1, 4, 1, 1)}


def test_a_graph_for_one_item_at_a_time_makes_batches_of_one() -> None:
    """As in Triton's own example: max_batch_size 1 for a first dimension that is 1 for ever."""
    found = signature(
        [spec("x", 1, 3, 2)],
        [spec("y", 1, 4, 1, 1)],
        'max_batch_size: 1 input { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [3, 2] }'
        'output { name: "y" data_type: TYPE_FP32 dims: [4] reshape { shape: [4, 1, 1] } }',
    )
    assert (found.inputs[0].shape, found.outputs[0].shape) == ((-1, 3, 2), (-1, 4))
    assert found.graph_shapes == {"y": (4, 1, 1)}


def test_labels_go_to_their_output() -> None:
    """Those without a name to the only one there is."""
    assert signature([spec("x", 1)], [spec("y", 1)], labels={"": ("a",)}).outputs[0].labels == ("a",)
    two = [spec("y", 1), spec("z", 1)]
    assert [output.labels for output in signature([spec("x", 1)], two, labels={"z": ("b",)}).outputs] == [(), ("b",)]
    assert [output.labels for output in signature([spec("x", 1)], two, labels={"": ("b",)}).outputs] == [(), ()]


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ('input { name: "z" data_type: TYPE_FP32 dims: [3] }', "lists z; the graph has w, x"),
        ('input { name: "x" data_type: TYPE_INT32 dims: [2, 3] }', "TYPE_INT32 for x, the graph has FP32"),
        ('input { name: "x" data_type: TYPE_FP32 dims: [2, 4] }', r"says \[2, 4\] for x"),
        ('input { name: "x" data_type: TYPE_FP32 dims: [2, 3] }', "does not list the input w"),
        ("max_batch_size: 8", "no first dimension of any size"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(config: str, complaint: str) -> None:
    """With what both of them say."""
    with pytest.raises(PackageRefused, match=complaint):
        signature([spec("x", 2, 3), spec("w", 1)], [spec("y", 2)], config)
