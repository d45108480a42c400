"""What a caller reads out of an error: its code, its words, and the details of google.rpc."""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import cast

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error of a call, or of one image of many."""

    code: str
    message: str
    reason: str
    domain: str
    metadata: Mapping[str, str]
    fields: Mapping[str, str] = field(default_factory=dict)
    """Field of the request → what is wrong with it."""
    retry_seconds: float | None = None


def refusal_of(status: status_pb2.Status) -> Refusal:
    """The status as it lies in a result."""
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    found = {detail.TypeName() for detail in status.details for part in (info, request, retry) if detail.Unpack(part)}
    assert info.DESCRIPTOR.full_name in found, "every error carries an ErrorInfo"
    return Refusal(
        code=next(code.name for code in grpc.StatusCode if code.value[0] == status.code),
        message=status.message,
        reason=info.reason,
        domain=info.domain,
        metadata=dict(info.metadata),
        fields={violation.field: violation.description for violation in request.field_violations},
        retry_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry.DESCRIPTOR.full_name in found else None,
    )


def refusal(error: grpc.RpcError) -> Refusal:
    """The status that a call ended with; its code and words are those of the details."""
    call = cast("grpc.Call", error)  # the errors of both clients have all that is asked of one
    status = rpc_status.from_call(call)
    assert status is not None, f"no details: {call.code()} {call.details()}"
    found = refusal_of(status)
    assert (found.code, found.message) == (call.code().name, call.details())
    return found


async def refused(call: Awaitable[object]) -> Refusal:
    """The error that a call ends with; it never tells where files lie, nor what the runtime said."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    for words in (repr(error.value), str(refusal(error.value))):
        assert not re.search(r"(^|[\s'\"(=])/[a-z]", words), words
        assert not re.search(r"onnx|Traceback|0x[0-9a-f]{6}", words, re.IGNORECASE), words
    return refusal(error.value)
