"""An inference request and its answer as values, the same for both doors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.api.oip.encoding import EncodingInvalid
from service.engine.datatypes import AnyTensor, Datatype
from service.engine.priority import Priority
from service.errors import ArgumentInvalid, NotOffered
from service.models.manifest import Precision

Parameter = bool | int | float | str
Parameters = Mapping[str, Parameter]

RESERVED_PREFIX = "triton_"
ALLOWED_RESERVED = "triton_enable_empty_final_response"
SHARED_MEMORY_PREFIX = "shared_memory_"
LONGEST_SHAPE = 32
DATATYPES = {datatype.value: datatype for datatype in Datatype}


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenTensor:
    """One input of a request."""

    name: str
    datatype: Datatype
    tensor: AnyTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTensor:
    """One output that a request asks for; with `best`, its so many best elements instead of itself."""

    name: str
    best: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """`version` is empty for the one that answers by default; no `outputs` means those of the model's metadata."""

    model: str
    version: str = ""
    id: str = ""
    timeout_seconds: float | None = None
    priority: Priority = Priority.NORMAL
    precision: Precision | None = None
    """Of a packaged model; None for the one that the server chose."""
    inputs: tuple[GivenTensor, ...] = ()
    outputs: tuple[WantedTensor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTensor:
    """One output of an answer."""

    name: str
    datatype: Datatype
    tensor: AnyTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class InferAnswer:
    """`outputs` in the order in which they were asked for."""

    model: str
    version: int
    id: str
    outputs: tuple[OutputTensor, ...] = field(default=())


def precision_of(parameters: Parameters) -> Precision | None:
    """The variant of a packaged model that shall answer, in the parameter `precision`. Raises ArgumentInvalid."""
    value = parameters.get("precision", "")
    if value == "":
        return None
    if value not in set(Precision):
        raise ArgumentInvalid(f"parameter 'precision' must be {', '.join(Precision)}", field="parameters")
    return Precision(value)


def timeout_of(parameters: Parameters) -> float | None:
    """Seconds that the request's parameter `timeout` allows; None where it sets no limit.

    Raises ArgumentInvalid for a reserved or senseless parameter. Others are free and mean nothing here.
    """
    for name, value in parameters.items():
        if name.startswith(RESERVED_PREFIX) and name != ALLOWED_RESERVED:
            raise ArgumentInvalid(
                f"parameter keys starting with '{RESERVED_PREFIX}' are reserved; only '{ALLOWED_RESERVED}' is allowed",
                field="parameters",
            )
        if name in {"timeout", "priority"} and not (
            isinstance(value, int) and not isinstance(value, bool) and value >= 0
        ):
            raise ArgumentInvalid(f"parameter '{name}' must be a whole number, 0 or higher", field="parameters")
    timeout = parameters.get("timeout", 0)
    return int(timeout) / 1e6 if timeout else None


def priority_of(parameters: Parameters) -> Priority:
    """As the request's parameter `priority` says: 1 goes first, 0 and 2 are normal, whatever is higher goes last.

    `timeout_of` has checked that it is a whole number.
    """
    number = int(parameters.get("priority", 0))
    return Priority(min(number, Priority.LOW)) if number else Priority.NORMAL


def refuse_shared_memory(parameters: Parameters, tensor: str) -> None:
    """Raises NotOffered where a tensor is said to lie in shared memory."""
    if any(name.startswith(SHARED_MEMORY_PREFIX) for name in parameters):
        raise NotOffered(f"shared memory is not offered; send '{tensor}' in the request itself")


def best_of(parameters: Parameters) -> int | None:
    """The k of the classification extension, where an output asks for it. Raises ArgumentInvalid."""
    value = parameters.get("classification")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentInvalid(
            "invalid value type for 'classification' parameter, expected int64_param", field="outputs"
        )
    if value <= 0:
        raise ArgumentInvalid("invalid value for 'classification' parameter, expected >= 0", field="outputs")
    return value


def datatype_of(name: str, *, tensor: str, model: str) -> Datatype:
    """Raises ArgumentInvalid for a type that the protocol does not have."""
    datatype = DATATYPES.get(name)
    if datatype is None:
        raise ArgumentInvalid(
            f"inference input '{tensor}' for model '{model}' has the data-type '{name[:32]}', which is not one of "
            f"{', '.join(Datatype)}",
            field="inputs",
        )
    return datatype


def shape_of(sizes: tuple[int, ...], *, tensor: str, model: str) -> tuple[int, ...]:
    """Raises ArgumentInvalid where a size is missing or senseless."""
    if len(sizes) > LONGEST_SHAPE or min(sizes, default=0) < 0 or math.prod(sizes) >= 2**63:
        raise ArgumentInvalid(
            f"unexpected shape for input '{tensor}' for model '{model}': every size must be given, 0 or higher",
            field="inputs",
        )
    return sizes


def size_mismatch(error: EncodingInvalid, *, tensor: str, model: str) -> ArgumentInvalid:
    """What a caller is told whose bytes are not those of the tensor."""
    return ArgumentInvalid(
        f"input byte size mismatch for input '{tensor}' for model '{model}'. {error}", field="inputs"
    )
