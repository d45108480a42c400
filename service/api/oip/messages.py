"""Messages of the Open Inference Protocol to requests, and answers to messages: pure functions."""

from collections.abc import Mapping
from typing import TypeAlias

from recognition.oip import open_inference_pb2 as pb

from service.api.oip.encoding import EncodingInvalid, decode_elements, decode_raw, encode_raw
from service.api.oip.requests import (
    GivenTensor,
    InferAnswer,
    InferRequest,
    Parameter,
    WantedTensor,
    best_of,
    datatype_of,
    precision_of,
    priority_of,
    refuse_shared_memory,
    shape_of,
    size_mismatch,
    timeout_of,
)
from service.api.oip.wire import Raw
from service.engine.datatypes import AnyTensor, Datatype
from service.errors import ArgumentInvalid

InputTensor: TypeAlias = pb.ModelInferRequest.InferInputTensor

CONTENTS = {
    Datatype.BOOL: "bool_contents",
    Datatype.INT8: "int_contents",
    Datatype.INT16: "int_contents",
    Datatype.INT32: "int_contents",
    Datatype.INT64: "int64_contents",
    Datatype.UINT8: "uint_contents",
    Datatype.UINT16: "uint_contents",
    Datatype.UINT32: "uint_contents",
    Datatype.UINT64: "uint64_contents",
    Datatype.FP32: "fp32_contents",
    Datatype.FP64: "fp64_contents",
    Datatype.BYTES: "bytes_contents",
}
"""The field for the elements of each type; FP16 and BF16 have none."""


def request_of(message: pb.ModelInferRequest, raw: Raw | None = None) -> InferRequest:
    """`raw` stands for the message's own raw contents (wire.py). Raises ArgumentInvalid or NotOffered."""
    if raw is None:
        raw = message.raw_input_contents
    parameters = parameters_of(message.parameters)
    inputs = message.inputs
    given = tuple(_given(tensor, place, raw, model=message.model_name) for place, tensor in enumerate(inputs))
    if len(raw) > len(inputs):
        raise ArgumentInvalid(f"expected {len(inputs)} raw_input_contents, got {len(raw)}", field="raw_input_contents")
    return InferRequest(
        model=message.model_name,
        version=message.model_version,
        id=message.id,
        timeout_seconds=timeout_of(parameters),
        priority=priority_of(parameters),
        precision=precision_of(parameters),
        inputs=given,
        outputs=tuple(_wanted(output) for output in message.outputs),
    )


def answer_message(answer: InferAnswer) -> pb.ModelInferResponse:
    """The elements are always raw."""
    return pb.ModelInferResponse(
        model_name=answer.model,
        model_version=str(answer.version),
        id=answer.id,
        outputs=[
            pb.ModelInferResponse.InferOutputTensor(
                name=output.name, datatype=output.datatype, shape=output.tensor.shape
            )
            for output in answer.outputs
        ],
        raw_output_contents=[encode_raw(output.tensor) for output in answer.outputs],
    )


def parameters_of(parameters: Mapping[str, pb.InferParameter]) -> dict[str, Parameter]:
    """Values by name; those that are left empty are left out."""
    if not parameters:
        return {}
    chosen = {name: parameter.WhichOneof("parameter_choice") for name, parameter in parameters.items()}
    return {name: getattr(parameters[name], choice) for name, choice in chosen.items() if choice is not None}


def _wanted(output: pb.ModelInferRequest.InferRequestedOutputTensor) -> WantedTensor:
    parameters = parameters_of(output.parameters)
    refuse_shared_memory(parameters, output.name)
    return WantedTensor(name=output.name, best=best_of(parameters))


def _given(tensor: InputTensor, place: int, raw: Raw, *, model: str) -> GivenTensor:
    name = tensor.name
    refuse_shared_memory(parameters_of(tensor.parameters), name)
    datatype = datatype_of(tensor.datatype, tensor=name, model=model)
    shape = shape_of(tuple(tensor.shape), tensor=name, model=model)
    try:
        elements = _elements(tensor, raw[place] if place < len(raw) else None, datatype, shape, model, raw=bool(raw))
    except EncodingInvalid as error:
        raise size_mismatch(error, tensor=name, model=model) from error
    return GivenTensor(name=name, datatype=datatype, tensor=elements)


def _elements(
    tensor: InputTensor,
    content: bytes | memoryview | None,
    datatype: Datatype,
    shape: tuple[int, ...],
    model: str,
    *,
    raw: bool,
) -> AnyTensor:
    """`content` is the tensor's own among the raw ones; `raw` says whether there are any."""
    filled = [field.name for field, _ in tensor.contents.ListFields()] if tensor.HasField("contents") else []
    if raw and filled:
        raise ArgumentInvalid(
            "contents field must not be specified when using raw_input_contents for "
            f"'{tensor.name}' for model '{model}'",
            field="inputs",
        )
    if content is not None:
        return decode_raw(datatype, shape, content)
    if not filled and 0 not in shape:
        raise ArgumentInvalid(
            f"unable to find data for input tensor '{tensor.name}' for model '{model}' in request.", field="inputs"
        )
    wrong = [field for field in filled if field != CONTENTS.get(datatype)]
    if wrong:
        raise ArgumentInvalid(
            f"unexpected explicit tensor data for input tensor '{tensor.name}' for model '{model}' in {wrong[0]}, "
            f"expected datatype '{datatype}'",
            field="inputs",
        )
    return decode_elements(datatype, shape, getattr(tensor.contents, filled[0]) if filled else ())
