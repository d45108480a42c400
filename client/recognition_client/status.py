"""What a failed call carries: google.rpc.Status in, ErrorDetails out.

The service puts a google.rpc.ErrorInfo into every error. Proxies, other servers and gRPC itself put nothing there;
their errors get an empty reason, and a sentence that names the server.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

DOMAIN = "recognition"
IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"

_CODES: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
_SENTENCES = {
    grpc.StatusCode.UNAVAILABLE: "{target} cannot be reached: {text}",
    grpc.StatusCode.DEADLINE_EXCEEDED: "{target} gave no answer in time: {text}",
    grpc.StatusCode.UNIMPLEMENTED: "{target} does not offer the recognition API: {text}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """Why there is no answer. As text: the sentence with the reason, or with the code where no reason was given."""

    code: grpc.StatusCode
    reason: str = ""
    """Stable and UPPER_SNAKE, as listed in recognition.proto; empty where the service did not speak itself."""
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    retry_after_seconds: float | None = None
    """After how long the server would like to be asked again, where it said so."""

    def __str__(self) -> str:
        return f"{self.message.removesuffix('.')} ({self.reason or self.code.name})"


def details_of_status(status: Status) -> ErrorDetails:
    """Reads what the service says about one image or one call; unknown kinds of detail are passed over."""
    info = ErrorInfo()
    retry = RetryInfo()
    _unpack(status.details, info)
    asked_to_wait = _unpack(status.details, retry)
    return ErrorDetails(
        code=_CODES.get(status.code, grpc.StatusCode.UNKNOWN),
        reason=info.reason if info.domain == DOMAIN else "",
        message=status.message,
        metadata=dict(info.metadata),
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if asked_to_wait else None,
    )


def details_of_call(error: grpc.RpcError, *, target: str) -> ErrorDetails:
    """Reads a failed call of either client; `target` is named where the service itself did not speak."""
    status = _rich_status(error)
    if status is not None:
        details = details_of_status(status)
        if details.reason:
            return details
    code, text = error.code(), error.details() or "no details"
    if (
        code is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in text
    ):  # gRPC's own, before the service sees it
        return ErrorDetails(code=code, reason=IMAGE_TOO_LARGE, message=f"The request is too large for {target}: {text}")
    return ErrorDetails(code=code, message=_SENTENCES.get(code, "{text}").format(target=target, text=text))


def _rich_status(error: grpc.RpcError) -> Status | None:
    try:
        return rpc_status.from_call(cast("grpc.Call", error))  # both clients raise errors that are calls too
    except (ValueError, DecodeError):  # a proxy rewrote the code or the text, or broke the bytes
        return None


def _unpack(details: Iterable[AnyMessage], into: ErrorInfo | RetryInfo) -> bool:
    """Fills `into` from the first detail of its kind; False where there is none that can be read."""
    for detail in details:
        if detail.Is(into.DESCRIPTOR):
            try:
                return detail.Unpack(into)
            except DecodeError:
                return False
    return False
