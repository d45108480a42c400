"""What callers see when something goes wrong: the flow, the error of each arrow, and its gRPC code.

    request ──▶ admitted ──▶ model found ──▶ image decoded ──▶ queued ──▶ computed ──▶ answered
       │            │             │               │               │           │
       │            │             │               │               │           ├ AnswerTooLarge       INVALID_ARGUMENT
       │            │             │               │               │           ├ InferenceFailed      INTERNAL
       │            │             │               │               │           └ DeviceExhausted, DeviceLost  UNAVAILABLE
       │            │             │               │               ├ QueueFull                         RESOURCE_EXHAUSTED
       │            │             │               │               └ DeadlineUnreachable               DEADLINE_EXCEEDED
       │            │             │               ├ ImageUnreadable, ImageUnsupported, ImageTooLarge  INVALID_ARGUMENT
       │            │             │               └ DecoderUnavailable                                UNAVAILABLE
       │            │             ├ ModelNotFound, VersionNotFound, PrecisionNotFound                 NOT_FOUND
       │            │             └ ModelNotReady                                                     UNAVAILABLE
       │            └ ShuttingDown                                                                    UNAVAILABLE
       ├ TokenMissing, TokenInvalid                                                                   UNAUTHENTICATED
       ├ NotPermitted                                                                                 PERMISSION_DENIED
       ├ RateExceeded                                                                                 RESOURCE_EXHAUSTED
       ├ ArgumentInvalid, BatchTooLarge                                                               INVALID_ARGUMENT
       ├ EncodingUnsupported (HTTP only)                                                              UNIMPLEMENTED
       ├ CallerGone                                                                                   CANCELLED
       └ NotOffered                                                                                   UNIMPLEMENTED

Every error carries a google.rpc.ErrorInfo with the reason; the caller's faults carry a BadRequest besides, QueueFull
and RateExceeded a RetryInfo. Anything that is not a ServiceError is INTERNAL with a constant text (AIP-193). Over HTTP
each code has the status of HTTP_STATUSES, but for EncodingUnsupported, and the details are JSON.
"""

from collections.abc import Mapping
from types import MappingProxyType

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from service import errors

DOMAIN = "recognition"
INTERNAL_REASON = "INTERNAL"

CODES: Mapping[type[errors.ServiceError], grpc.StatusCode] = MappingProxyType(
    {
        errors.TokenMissing: grpc.StatusCode.UNAUTHENTICATED,
        errors.TokenInvalid: grpc.StatusCode.UNAUTHENTICATED,
        errors.NotPermitted: grpc.StatusCode.PERMISSION_DENIED,
        errors.RateExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
        errors.ArgumentInvalid: grpc.StatusCode.INVALID_ARGUMENT,
        errors.BatchTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
        errors.AnswerTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
        errors.ImageUnreadable: grpc.StatusCode.INVALID_ARGUMENT,
        errors.ImageUnsupported: grpc.StatusCode.INVALID_ARGUMENT,
        errors.ImageTooLarge: grpc.StatusCode.INVALID_ARGUMENT,
        errors.DecoderUnavailable: grpc.StatusCode.UNAVAILABLE,
        errors.EncodingUnsupported: grpc.StatusCode.UNIMPLEMENTED,
        errors.ModelNotFound: grpc.StatusCode.NOT_FOUND,
        errors.VersionNotFound: grpc.StatusCode.NOT_FOUND,
        errors.PrecisionNotFound: grpc.StatusCode.NOT_FOUND,
        errors.ModelNotReady: grpc.StatusCode.UNAVAILABLE,
        errors.ShuttingDown: grpc.StatusCode.UNAVAILABLE,
        errors.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
        errors.DeadlineUnreachable: grpc.StatusCode.DEADLINE_EXCEEDED,
        errors.InferenceFailed: grpc.StatusCode.INTERNAL,
        errors.DeviceExhausted: grpc.StatusCode.UNAVAILABLE,
        errors.DeviceLost: grpc.StatusCode.UNAVAILABLE,
        errors.NotOffered: grpc.StatusCode.UNIMPLEMENTED,
        errors.CallerGone: grpc.StatusCode.CANCELLED,
    }
)

HTTP_STATUSES: Mapping[grpc.StatusCode, int] = MappingProxyType(
    {
        grpc.StatusCode.INVALID_ARGUMENT: 400,
        grpc.StatusCode.UNAUTHENTICATED: 401,
        grpc.StatusCode.PERMISSION_DENIED: 403,
        grpc.StatusCode.NOT_FOUND: 404,
        grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
        grpc.StatusCode.CANCELLED: 499,
        grpc.StatusCode.INTERNAL: 500,
        grpc.StatusCode.UNIMPLEMENTED: 501,
        grpc.StatusCode.UNAVAILABLE: 503,
        grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    }
)

UNSUPPORTED_MEDIA_TYPE = 415
"""HTTP's own status for a content coding that is not read (RFC 9110, 15.5.16)."""


def http_status_of(code: grpc.StatusCode, reason: str) -> int:
    """The status line of an error."""
    return UNSUPPORTED_MEDIA_TYPE if reason == errors.EncodingUnsupported.reason else HTTP_STATUSES[code]


def code_of(error: errors.ServiceError) -> grpc.StatusCode:
    """The gRPC code of an expected error."""
    return CODES[type(errors.as_told(error))]


def status_of(error: errors.ServiceError) -> status_pb2.Status:
    """An expected error as the caller sees it."""
    error = errors.as_told(error)
    code = code_of(error)
    details: list[message.Message] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)
    ]
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        field = error.metadata.get("field", "image")
        violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=error.sentence)
        details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if isinstance(error, (errors.QueueFull, errors.RateExceeded)):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_seconds * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    return _status(code, error.sentence, details)


def internal_status(request_id: str) -> status_pb2.Status:
    """A fault of the server: the caller learns nothing but the id under which the log has it."""
    info = error_details_pb2.ErrorInfo(reason=INTERNAL_REASON, domain=DOMAIN, metadata={"request_id": request_id})
    return _status(grpc.StatusCode.INTERNAL, f"Internal error; the server's log has it as {request_id}.", [info])


def _status(code: grpc.StatusCode, sentence: str, details: list[message.Message]) -> status_pb2.Status:
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=sentence)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status
