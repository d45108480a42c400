"""Bodies of HTTP requests to requests, and answers to bodies: JSON, followed by the tensors that are sent as bytes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from service.api.oip.encoding import EncodingInvalid, decode_elements, decode_raw, encode_raw
from service.api.oip.requests import (
    GivenTensor,
    InferAnswer,
    InferRequest,
    OutputTensor,
    Parameters,
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
from service.api.oip.rest.schemas import InferBody, RequestInput
from service.engine.datatypes import AnyTensor, Datatype
from service.errors import ArgumentInvalid

ONLY_BINARY = frozenset({Datatype.FP16, Datatype.BF16})
KINDS = {"b": "b", "i": "iu", "u": "iu", "f": "iuf"}
"""What NumPy makes of JSON's elements, by the kind of the type that is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestRequest:
    """A request, and which of its outputs are wanted as bytes: those that are named so, the others as `all_binary`."""

    request: InferRequest
    binary: dict[str, bool]
    all_binary: bool = False

    def is_binary(self, name: str) -> bool:
        return self.binary.get(name, self.all_binary)


def parsed(schema: type[BaseModel], body: bytes) -> Any:
    """A JSON body as this schema; an empty one is an empty object. Raises ArgumentInvalid."""
    try:
        return schema.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ArgumentInvalid(
            f"failed to parse the request JSON: {field} {first['msg']}".strip(), field="body"
        ) from error


def rest_request_of(body: bytes, json_bytes: int, *, model: str, version: str) -> RestRequest:
    """From a body whose first `json_bytes` are JSON. Raises a ServiceError."""
    message: InferBody = parsed(InferBody, body[:json_bytes])
    parts = _Parts(body, json_bytes)
    inputs = tuple(_given(tensor, parts, model) for tensor in message.inputs)
    parts.check_used()
    outputs = []
    for output in message.outputs:
        refuse_shared_memory(output.parameters, output.name)
        outputs.append(WantedTensor(name=output.name, best=best_of(output.parameters)))
    request = InferRequest(
        model=model,
        version=version,
        id=message.id,
        timeout_seconds=timeout_of(message.parameters),
        priority=priority_of(message.parameters),
        precision=precision_of(message.parameters),
        inputs=inputs,
        outputs=tuple(outputs),
    )
    binary = {
        output.name: _flag(output.parameters, "binary_data", field="outputs")
        for output in message.outputs
        if "binary_data" in output.parameters
    }
    all_binary = _flag(message.parameters, "binary_data_output", field="parameters")
    return RestRequest(request=request, binary=binary, all_binary=all_binary)


def answer_body(answer: InferAnswer, request: RestRequest) -> tuple[bytes, int | None]:
    """The body, and how many of its bytes are JSON; None where all of them are. Raises ArgumentInvalid."""
    parts: list[bytes] = []
    outputs = []
    for output in answer.outputs:
        described: dict[str, Any] = {
            "name": output.name,
            "datatype": str(output.datatype),
            "shape": list(output.tensor.shape),
        }
        if request.is_binary(output.name):
            parts.append(encode_raw(output.tensor))
            described["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            described["data"] = _json_elements(output)
        outputs.append(described)
    fields: dict[str, Any] = {"model_name": answer.model, "model_version": str(answer.version), "outputs": outputs}
    if answer.id:
        fields["id"] = answer.id
    head = json.dumps(fields, separators=(",", ":"), allow_nan=False).encode()
    return b"".join((head, *parts)), len(head) if parts else None


def _flag(parameters: Parameters, name: str, *, field: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise ArgumentInvalid(f"parameter '{name}' must be true or false", field=field)
    return value


class _Parts:
    """The bytes after the JSON, taken piece by piece."""

    def __init__(self, body: bytes, at: int) -> None:
        self._body = body
        self._at = at

    def take(self, size: int, tensor: str) -> bytes:
        end = self._at + size
        if size < 0 or end > len(self._body):
            raise ArgumentInvalid(
                f"binary_data_size of input '{tensor}' is {size}, but {len(self._body) - self._at} bytes are left",
                field="inputs",
            )
        part = self._body[self._at : end]
        self._at = end
        return part

    def check_used(self) -> None:
        if self._at != len(self._body):
            raise ArgumentInvalid(
                f"{len(self._body) - self._at} bytes after the last input are no input's", field="body"
            )


def _given(tensor: RequestInput, parts: _Parts, model: str) -> GivenTensor:
    refuse_shared_memory(tensor.parameters, tensor.name)
    datatype = datatype_of(tensor.datatype, tensor=tensor.name, model=model)
    shape = shape_of(tuple(tensor.shape), tensor=tensor.name, model=model)
    size = tensor.parameters.get("binary_data_size")
    try:
        if size is not None:
            if isinstance(size, bool) or not isinstance(size, int):
                raise EncodingInvalid("binary_data_size must be a whole number")
            raw = parts.take(size, tensor.name)
            return GivenTensor(name=tensor.name, datatype=datatype, tensor=decode_raw(datatype, shape, raw))
        if datatype in ONLY_BINARY:
            raise _only_binary(datatype, f"input '{tensor.name}'")
        if tensor.data is None:
            raise ArgumentInvalid(
                f"unable to find data for input tensor '{tensor.name}' for model '{model}' in request.", field="inputs"
            )
        elements = _elements(datatype, tensor.data)
        return GivenTensor(name=tensor.name, datatype=datatype, tensor=decode_elements(datatype, shape, elements))
    except EncodingInvalid as error:
        raise size_mismatch(error, tensor=tensor.name, model=model) from error


def _elements(datatype: Datatype, data: list[Any]) -> Sequence[Any]:
    """Flat, each of the right kind and within the type's range."""
    if datatype is Datatype.BYTES:
        return list(_texts(data))
    try:
        numbers: AnyTensor = np.array(data).ravel()
    except (ValueError, OverflowError) as error:
        raise EncodingInvalid(f"Expected elements of type {datatype}, all rows of one length") from error
    if not numbers.size:
        return ()
    if numbers.dtype.kind not in KINDS[datatype.dtype.kind]:
        raise EncodingInvalid(f"Expected elements of type {datatype}")
    if datatype.is_integer:
        limits = np.iinfo(datatype.dtype)
        if int(numbers.min()) < limits.min or int(numbers.max()) > limits.max:
            raise EncodingInvalid(f"Expected elements between {limits.min} and {limits.max}")
    flat: Sequence[Any] = numbers  # type: ignore[assignment] # an array is one where it is read
    return flat


def _texts(data: list[Any]) -> Iterator[bytes]:
    """Depth first; the parser bounds the depth."""
    for element in data:
        if isinstance(element, list):
            yield from _texts(element)
        elif isinstance(element, str):
            yield element.encode()
        else:
            raise EncodingInvalid("Expected texts")


def _json_elements(output: OutputTensor) -> list[Any]:
    if output.datatype in ONLY_BINARY:
        raise _only_binary(output.datatype, f"output '{output.name}'")
    flat = output.tensor.ravel()
    if output.datatype is Datatype.BYTES:
        try:
            return [element.decode() for element in flat]
        except UnicodeDecodeError as error:
            raise ArgumentInvalid(
                f"output '{output.name}' holds bytes that are no text; ask for it with binary_data", field="outputs"
            ) from error
    elements: list[Any] = flat.tolist()
    if output.datatype.is_float and not np.isfinite(flat).all():
        return [element if np.isfinite(element) else None for element in elements]
    return elements


def _only_binary(datatype: Datatype, tensor: str) -> ArgumentInvalid:
    return ArgumentInvalid(
        f"sending {datatype} data via JSON is not supported. Please use the binary tensor format for {tensor}",
        field="inputs",
    )
