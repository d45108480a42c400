"""Bodies of HTTP requests to requests, and answers to bodies."""

import json
from typing import Any

import numpy as np
import pytest

from service.api.oip.requests import InferAnswer, InferRequest, OutputTensor
from service.api.oip.rest.messages import RestRequest, answer_body, rest_request_of
from service.engine.datatypes import AnyTensor, Datatype
from service.errors import ArgumentInvalid


def read(message: dict[str, Any], binary: bytes = b"") -> RestRequest:
    head = json.dumps(message).encode()
    return rest_request_of(head + binary, len(head), model="m", version="")


def tensor_of(datatype: str, shape: list[int], data: list[Any]) -> AnyTensor:
    asked = read({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]})
    return asked.request.inputs[0].tensor


def write(tensor: AnyTensor, datatype: Datatype, *, binary: bool = False) -> tuple[bytes, int | None]:
    output = OutputTensor(name="y", datatype=datatype, tensor=tensor)
    asked = RestRequest(request=InferRequest(model="m"), binary={"y": binary})
    return answer_body(InferAnswer(model="m", version=1, id="", outputs=(output,)), asked)


def test_elements_may_be_nested_or_flat() -> None:
    """Of every type that JSON can carry."""
    assert tensor_of("FP32", [2, 2], [[1, 2.5], [3, 4]]).tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert tensor_of("FP32", [2, 2], [1, 2.5, 3, 4]).tolist() == [[1.0, 2.5], [3.0, 4.0]]
    assert tensor_of("BOOL", [2], [True, False]).tolist() == [True, False]
    assert tensor_of("UINT64", [1], [2**64 - 1]).tolist() == [2**64 - 1]
    assert tensor_of("INT64", [1], [-(2**63)]).tolist() == [-(2**63)]
    assert tensor_of("BYTES", [1, 2], [["ä", ""]]).tolist() == [["ä".encode(), b""]]
    assert tensor_of("FP64", [0], []).shape == (0,)


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("UINT8", [256, 0]),
        ("INT8", [-129, 0]),
        ("INT32", [1.5, 2]),
        ("INT32", [True, False]),
        ("FP32", ["1", "2"]),
        ("FP32", [None, 1]),
        ("FP32", [[1, 2], [3]]),
        ("FP32", [1]),
        ("BOOL", [0, 1]),
        ("BYTES", [1, 2]),
        ("UINT64", [2**64, 1]),
        ("FP16", [1, 2]),
    ],
)
def test_elements_of_another_kind_are_refused(datatype: str, data: list[Any]) -> None:
    """None is bent to fit."""
    with pytest.raises(ArgumentInvalid):
        tensor_of(datatype, [2], data)


def test_bytes_after_the_json_belong_to_the_inputs_in_order() -> None:
    """JSON and bytes may be mixed."""
    inputs = [
        {"name": "a", "datatype": "FP16", "shape": [1], "parameters": {"binary_data_size": 2}},
        {"name": "b", "datatype": "FP32", "shape": [1], "data": [7]},
        {"name": "c", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}},
    ]
    asked = read({"inputs": inputs}, np.float16(2).tobytes() + b"\2\0\0\0hi")
    assert [tensor.tensor.tolist() for tensor in asked.request.inputs] == [[2.0], [7.0], [b"hi"]]


@pytest.mark.parametrize(
    ("size", "binary"),
    [
        (4, b""),
        (4, b"12345678"),
        (-1, b"1234"),
        ("x", b"1234"),
        (2, b"12"),
        ("4", b"1234"),
        (True, b"1"),
        (4.0, b"1234"),
    ],
)
def test_bytes_that_do_not_add_up_are_refused(size: object, binary: bytes) -> None:
    """Too few, too many, or not those of the shape."""
    given = {"name": "a", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": size}}
    with pytest.raises(ArgumentInvalid):
        read({"inputs": [given]}, binary)


def test_outputs_say_how_they_are_wanted() -> None:
    """Each for itself; the request for those that do not."""
    named = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False, "classification": 2}}]
    asked = read({"inputs": [], "outputs": named, "parameters": {"binary_data_output": True, "timeout": 10}})
    assert [asked.is_binary(name) for name in ("a", "b", "c")] == [True, False, True]
    assert asked.request.outputs[1].best == 2
    assert asked.request.timeout_seconds == pytest.approx(1e-5)


@pytest.mark.parametrize(
    ("outputs", "parameters"),
    [([{"name": "a", "parameters": {"binary_data": "no"}}], {}), ([], {"binary_data_output": 1})],
)
def test_what_is_neither_true_nor_false_is_refused(outputs: list[object], parameters: dict[str, object]) -> None:
    """A text is not taken for true because it is there."""
    with pytest.raises(ArgumentInvalid, match="must be true or false"):
        read({"inputs": [], "outputs": outputs, "parameters": parameters})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"inputs": 1}', b'{"inputs": [{"name": 1}]}', b"[" * 100_000, b"\xff", b"null"]
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    """However deep or broken it is."""
    with pytest.raises(ArgumentInvalid, match="failed to parse the request JSON"):
        rest_request_of(body, len(body), model="m", version="")


def test_answers_are_json() -> None:
    """Flat; null where a number is not finite."""
    body, head = write(np.array([[1.5, np.nan], [np.inf, 0]], dtype=np.float32), Datatype.FP32)
    answer = json.loads(body)
    assert head is None
    assert answer["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [1.5, None, None, 0.0]}]
    assert (answer["model_name"], answer["model_version"], "id" in answer) == ("m", "1", False)
    body, _ = write(np.array([b"a"], dtype=object), Datatype.BYTES)
    assert json.loads(body)["outputs"][0]["data"] == ["a"]


def test_answers_are_json_followed_by_bytes() -> None:
    """The size of the JSON is told."""
    body, head = write(np.array([1.0], dtype=np.float16), Datatype.FP16, binary=True)
    assert head is not None
    assert json.loads(body[:head])["outputs"][0]["parameters"] == {"binary_data_size": 2}
    assert body[head:] == np.float16(1.0).tobytes()


def test_what_json_cannot_carry_is_refused() -> None:
    """With the way out."""
    with pytest.raises(ArgumentInvalid, match="sending FP16 data via JSON is not supported"):
        write(np.array([1.0], dtype=np.float16), Datatype.FP16)
    with pytest.raises(ArgumentInvalid, match="binary_data"):
        write(np.array([b"\xff"], dtype=object), Datatype.BYTES)
