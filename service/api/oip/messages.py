"""Messages of the Open Inference Protocol to requests, and answers to messages: pure functions."""

from collections.abc import Mapping

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
    inputs = []
    for place, tensor in enumerate(message.inputs):
        refuse_shared_memory(parameters_of(tensor.parameters), tensor.name)
        inputs.append(_given(message, place, raw))
    if len(raw) > len(message.inputs):
        raise ArgumentInvalid(
            f"expected {len(message.inputs)} raw_input_contents, got {len(raw)}",
            field="raw_input_contents",
        )
    parameters = parameters_of(message.parameters)
    return InferRequest(
        model=message.model_name,
        version=message.model_version,
        id=message.id,
        timeout_seconds=timeout_of(parameters),
        priority=priority_of(parameters),
        precision=precision_of(parameters),
        inputs=tuple(inputs),
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
    chosen = {name: parameter.WhichOneof("parameter_choice") for name, parameter in parameters.items()}
    return {name: getattr(parameters[name], choice) for name, choice in chosen.items() if choice is not None}


def _wanted(output: pb.ModelInferRequest.InferRequestedOutputTensor) -> WantedTensor:
    parameters = parameters_of(output.parameters)
    refuse_shared_memory(parameters, output.name)
    return WantedTensor(name=output.name, best=best_of(parameters))


def _given(message: pb.ModelInferRequest, place: int, raw: Raw) -> GivenTensor:
    tensor, model = message.inputs[place], message.model_name
    datatype = datatype_of(tensor.datatype, tensor=tensor.name, model=model)
    shape = shape_of(list(tensor.shape), tensor=tensor.name, model=model)
    try:
        elements = _elements(message, place, datatype, shape, raw)
    except EncodingInvalid as error:
        raise size_mismatch(error, tensor=tensor.name, model=model) from error
    return GivenTensor(name=tensor.name, datatype=datatype, tensor=elements)


def _elements(
    message: pb.ModelInferRequest, place: int, datatype: Datatype, shape: tuple[int, ...], raw: Raw
) -> AnyTensor:
    tensor, model = message.inputs[place], message.model_name
    filled = [field.name for field, _ in tensor.contents.ListFields()]
    if raw and filled:
        raise ArgumentInvalid(
            "contents field must not be specified when using raw_input_contents for "
            f"'{tensor.name}' for model '{model}'",
            field="inputs",
        )
    if raw and place < len(raw):
        return decode_raw(datatype, shape, raw[place])
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
