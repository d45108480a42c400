"""The JSON of the Open Inference Protocol over HTTP, field by field as the protocol names them."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

FreeParameters = dict[str, bool | int | float | str]


class _Schema(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True, strict=True)


class Failure(_Schema):
    """What every failed call answers."""

    error: str
    """One sentence to act on."""
    code: str
    """Name of the gRPC code, such as INVALID_ARGUMENT."""
    reason: str
    """Stable and meant for programs, such as IMAGE_UNREADABLE."""


class ServerMetadata(_Schema):
    name: str
    version: str
    extensions: list[str]


class Live(_Schema):
    live: bool


class Ready(_Schema):
    ready: bool


class ModelReady(_Schema):
    name: str
    ready: bool


class TensorMetadata(_Schema):
    name: str
    datatype: str
    shape: list[int]
    """-1 is any size."""


class ModelMetadata(_Schema):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class RequestInput(_Schema):
    name: str
    datatype: str
    shape: list[int]
    parameters: FreeParameters = Field(default_factory=dict)
    """`binary_data_size`: how many of the bytes that follow the JSON are this tensor's."""
    data: list[Any] | None = None
    """The elements, nested or flat, row after row; BYTES are texts."""


class RequestOutput(_Schema):
    name: str
    parameters: FreeParameters = Field(default_factory=dict)
    """`binary_data`: whether it comes after the JSON; `classification`: so many of the best elements instead of it."""


class InferBody(_Schema):
    """Tensors for a model, and which of its outputs are wanted."""

    id: str = ""
    parameters: FreeParameters = Field(default_factory=dict)
    """`binary_data_output`: whether outputs come after the JSON; `timeout` in microseconds; `priority`: 1 is first."""
    inputs: list[RequestInput]
    outputs: list[RequestOutput] = Field(default_factory=list)


class AnswerOutput(_Schema):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] = Field(default_factory=dict)
    """`binary_data_size`: how many of the bytes that follow the JSON are this tensor's."""
    data: list[Any] | None = None
    """The elements, flat, row after row; null where a number is not finite."""


class InferAnswerBody(_Schema):
    model_name: str
    model_version: str
    id: str = ""
    outputs: list[AnswerOutput]


class IndexBody(_Schema):
    ready: bool = False
    """Whether to list only versions that answer."""


class ModelIndex(_Schema):
    name: str
    version: str
    state: str
    """UNKNOWN, READY, UNAVAILABLE, LOADING or UNLOADING."""
    reason: str


class ControlBody(_Schema):
    parameters: dict[str, Any] = Field(default_factory=dict)


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a body that FastAPI does not see, without references, which would lead nowhere in its document."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def inlined(part: Any) -> Any:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            return inlined(definitions[name]) if name else {key: inlined(value) for key, value in part.items()}
        return [inlined(element) for element in part] if isinstance(part, list) else part

    result: dict[str, Any] = inlined(schema)
    return result
