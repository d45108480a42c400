"""Messages of the protocol to requests, and answers to messages."""

import numpy as np
import pytest
from recognition.oip import open_inference_pb2 as pb

from service.api.oip.messages import answer_message, request_of
from service.api.oip.requests import InferAnswer, OutputTensor
from service.engine.datatypes import Datatype
from service.errors import ArgumentInvalid, NotOffered, ServiceError

Input = pb.ModelInferRequest.InferInputTensor
Wanted = pb.ModelInferRequest.InferRequestedOutputTensor
TYPED = {
    "BOOL": pb.InferTensorContents(bool_contents=[True, False]),
    "INT8": pb.InferTensorContents(int_contents=[1, 0]),
    "INT16": pb.InferTensorContents(int_contents=[1, 0]),
    "INT32": pb.InferTensorContents(int_contents=[1, 0]),
    "INT64": pb.InferTensorContents(int64_contents=[1, 0]),
    "UINT8": pb.InferTensorContents(uint_contents=[1, 0]),
    "UINT16": pb.InferTensorContents(uint_contents=[1, 0]),
    "UINT32": pb.InferTensorContents(uint_contents=[1, 0]),
    "UINT64": pb.InferTensorContents(uint64_contents=[1, 0]),
    "FP32": pb.InferTensorContents(fp32_contents=[1, 0]),
    "FP64": pb.InferTensorContents(fp64_contents=[1, 0]),
}


def message(*inputs: Input, raw: list[bytes] | None = None) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(model_name="m", inputs=inputs, raw_input_contents=raw or [])


@pytest.mark.parametrize(("datatype", "contents"), TYPED.items())
def test_typed_elements_are_read(datatype: str, contents: pb.InferTensorContents) -> None:
    """Each type from its own field."""
    request = request_of(message(Input(name="x", datatype=datatype, shape=[2], contents=contents)))
    assert request.inputs[0].tensor.dtype == Datatype(datatype).dtype
    assert request.inputs[0].tensor.tolist() == [1, 0]


def test_raw_elements_are_read_in_the_order_of_the_inputs() -> None:
    """Texts among them."""
    given = [Input(name="a", datatype="FP16", shape=[1, 2]), Input(name="b", datatype="BYTES", shape=[1])]
    request = request_of(message(*given, raw=[np.array([[1, 2]], dtype=np.float16).tobytes(), b"\2\0\0\0hi"]))
    assert [tensor.tensor.tolist() for tensor in request.inputs] == [[[1.0, 2.0]], [b"hi"]]


def test_what_is_asked_for_is_read() -> None:
    """Id, version, timeout, and how outputs are wanted."""
    asked = pb.ModelInferRequest(model_name="m", model_version="2", id="mine", outputs=[Wanted(name="y")])
    asked.outputs[0].parameters["classification"].int64_param = 3
    asked.parameters["timeout"].int64_param = 2_000_000
    asked.parameters["priority"].uint64_param = 1
    asked.parameters["empty"].SetInParent()
    request = request_of(asked)
    assert (request.version, request.id, request.timeout_seconds) == ("2", "mine", 2.0)
    assert [(output.name, output.best) for output in request.outputs] == [("y", 3)]


def in_shared_memory() -> Input:
    tensor = Input(name="x", datatype="FP32", shape=[1])
    tensor.parameters["shared_memory_region"].string_param = "r"
    return tensor


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        (
            message(Input(name="x", datatype="FP32", shape=[1], contents=TYPED["FP32"]), raw=[b"\0" * 4]),
            ArgumentInvalid,
            "contents field must not be specified when using raw_input_contents for 'x' for model 'm'",
        ),
        (
            message(Input(name="x", datatype="FP32", shape=[1])),
            ArgumentInvalid,
            "unable to find data for input tensor 'x' for model 'm' in request.",
        ),
        (
            message(Input(name="x", datatype="FP32", shape=[2], contents=TYPED["INT8"])),
            ArgumentInvalid,
            "unexpected explicit tensor data for input tensor 'x' for model 'm'",
        ),
        (message(Input(name="x", datatype="FP32", shape=[3], contents=TYPED["FP32"])), ArgumentInvalid, "Expected 3"),
        (message(Input(name="x", datatype="FP32", shape=[2]), raw=[b"\0" * 4]), ArgumentInvalid, "Expected 8, got 4"),
        (message(Input(name="x", datatype="FP32", shape=[1]), raw=[b"\0" * 4] * 2), ArgumentInvalid, "expected 1 raw"),
        (message(in_shared_memory(), raw=[b"\0" * 4]), NotOffered, "shared memory"),
    ],
)
def test_what_is_wrong_is_named(asked: pb.ModelInferRequest, error: type[ServiceError], sentence: str) -> None:
    """In the protocol's words."""
    with pytest.raises(error, match=sentence):
        request_of(asked)


def test_answers_are_raw() -> None:
    """One entry for each output, in their order; no typed elements."""
    texts = np.array([b"a", b""], dtype=object)
    numbers = np.array([[1.5]], dtype=np.float32)
    outputs = (
        OutputTensor(name="t", datatype=Datatype.BYTES, tensor=texts),
        OutputTensor(name="n", datatype=Datatype.FP32, tensor=numbers),
    )
    answer = answer_message(InferAnswer(model="m", version=3, id="mine", outputs=outputs))
    assert (answer.model_name, answer.model_version, answer.id) == ("m", "3", "mine")
    assert [(output.name, output.datatype, list(output.shape)) for output in answer.outputs] == [
        ("t", "BYTES", [2]),
        ("n", "FP32", [1, 1]),
    ]
    assert list(answer.raw_output_contents) == [b"\1\0\0\0a\0\0\0\0", numbers.tobytes()]
    assert not any(output.HasField("contents") for output in answer.outputs)
