"""What a look into an ONNX file finds."""

import onnx
import pytest
from onnx import TensorProto, helper

from service.models.onnx_file import OnnxFileInvalid, check_self_contained
from tests.service import plain_models
from tests.service.packages import graph


@pytest.mark.parametrize("content", [graph(), plain_models.flattened(), plain_models.sum_and_difference()])
def test_a_whole_model_passes(content: bytes) -> None:
    """With initialisers and without."""
    check_self_contained(content)


def outside(location: str) -> onnx.TensorProto:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def test_weights_in_other_files_are_refused() -> None:
    """As initialiser, in a constant, and in a branch of a node: wherever a tensor can be."""
    initialiser = onnx.ModelProto(graph=onnx.GraphProto(initializer=[outside("/etc/passwd")]))
    constant = helper.make_node("Constant", [], ["w"], value=outside("w.bin"))
    branch = helper.make_node("If", ["c"], ["y"], then_branch=onnx.GraphProto(node=[constant]))
    for model in (
        initialiser,
        onnx.ModelProto(graph=onnx.GraphProto(node=[constant])),
        onnx.ModelProto(graph=onnx.GraphProto(node=[branch])),
        onnx.ModelProto(functions=[onnx.FunctionProto(node=[constant])]),
    ):
        with pytest.raises(OnnxFileInvalid, match="other files"):
            check_self_contained(model.SerializeToString())


@pytest.mark.parametrize("content", [b"\x3a\x7fabc", b"\xff" * 20, b"\x3b", b"\x38\x01", b"not a model"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    """Cut short, or other bytes altogether."""
    with pytest.raises(OnnxFileInvalid):
        check_self_contained(content)


def test_every_way_of_cutting_a_model_short_ends() -> None:
    """Either refused here or left to the runtime, and nothing else is raised."""
    whole = plain_models.flattened()
    for length in range(len(whole)):
        try:
            check_self_contained(whole[:length])
        except OnnxFileInvalid:
            continue
