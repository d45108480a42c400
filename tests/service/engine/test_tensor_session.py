"""Any graph in the real ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from service.engine.datatypes import Datatype
from service.engine.providers import CPU_PROVIDER
from service.engine.tensor_session import TensorSession, TensorUnsupported
from service.errors import ArgumentInvalid
from tests.service import plain_models


def load(graph: bytes) -> TensorSession:
    return TensorSession.load(graph, provider=CPU_PROVIDER, threads=1)


@pytest.mark.parametrize("datatype", [kind for kind in Datatype if kind is not Datatype.BYTES])
def test_every_type_goes_in_and_comes_out(datatype: Datatype) -> None:
    """Element for element, in the type that the graph has."""
    session = load(plain_models.identity(datatype))
    tensor = np.array([[0, 1, 1], [1, 0, 1]], dtype=datatype.dtype)
    outputs = session.run({"x": tensor})
    assert session.inputs[0].datatype is datatype
    assert outputs["y"].dtype == datatype.dtype
    assert np.array_equal(outputs["y"], tensor)


def test_bytes_are_texts() -> None:
    """In UTF-8, empty ones too; other bytes are the caller's fault."""
    session = load(plain_models.identity("BYTES", ["n"]))
    tensor = np.array(["ä".encode(), b"", b"x"], dtype=object)
    assert session.run({"x": tensor})["y"].tolist() == tensor.tolist()
    with pytest.raises(ArgumentInvalid, match="UTF-8"):
        session.run({"x": np.array([b"\xff"], dtype=object)})


def test_what_the_graph_takes_is_read_from_it() -> None:
    """Names, types and shapes; -1 where a size is open, named or not."""
    session = load(plain_models.identity("INT64", ["batch", None, 3]))
    assert [(spec.name, spec.datatype, spec.shape) for spec in session.inputs] == [("x", Datatype.INT64, (-1, -1, 3))]
    assert session.provider == CPU_PROVIDER


def test_all_outputs_are_given() -> None:
    """By name."""
    one = np.array([[3.0, 1.0]], dtype=np.float32)
    outputs = load(plain_models.sum_and_difference()).run({"a": one, "b": one})
    assert outputs["sum"].tolist() == [[6.0, 2.0]]
    assert outputs["difference"].tolist() == [[0.0, 0.0]]


def test_a_type_that_cannot_be_carried_is_named() -> None:
    """Sequences have no place in the protocol."""
    value = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    output = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "sequence", [value], [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(TensorUnsupported, match="x is a seq"):
        load(bytes(model.SerializeToString()))


def test_custom_operators_do_not_load() -> None:
    """No library of them is ever registered."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    node = helper.make_node("Own", ["x"], ["y"], domain="someone")
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("someone", 1)]
    model = helper.make_model(onnx.GraphProto(), opset_imports=imports, ir_version=9)
    model.graph.CopyFrom(helper.make_graph([node], "custom", [value], [output]))
    with pytest.raises(Exception, match="Own"):
        load(bytes(model.SerializeToString()))
