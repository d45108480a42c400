"""What HTTP callers see when something goes wrong: the statuses of service/api/errors.py, as a status line and JSON."""

import math
from typing import Any

import grpc
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from google.rpc import error_details_pb2, status_pb2

from service.api.errors import UNSUPPORTED_MEDIA_TYPE, http_status_of, status_of
from service.api.rest.encoding import ACCEPTED
from service.api.rest.schemas import Error, ErrorAnswer
from service.errors import ArgumentInvalid, ServiceError

CODES = {code.value[0]: code for code in grpc.StatusCode}
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "The caller's fault, or no room for more work (429)"},
    "5XX": {"model": ErrorAnswer, "description": "The model is not ready, the time was up, or the server failed"},
}
"""For the OpenAPI description of every call."""


def error_of(error: ServiceError) -> Error:
    """An expected error, in the words that gRPC callers get."""
    return _error(status_of(error))


def refusal(status: status_pb2.Status) -> JSONResponse:
    """The answer to a call that ended with this status."""
    error = _error(status)
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_seconds))
    http_status = http_status_of(CODES[status.code], error.reason)
    return error_answer(http_status, error, headers | headers_of(http_status))


def headers_of(http_status: int) -> dict[str, str]:
    """Whoever sent a body in a coding that is not read is told those that are."""
    return {"Accept-Encoding": ACCEPTED} if http_status == UNSUPPORTED_MEDIA_TYPE else {}


def error_answer(http_status: int, error: Error, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(ErrorAnswer(error=error).model_dump(mode="json", exclude_none=True), http_status, headers)


def argument_invalid(error: RequestValidationError) -> ArgumentInvalid:
    """What FastAPI found wrong with a parameter, as the service's own error."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"][1:])
    return ArgumentInvalid(f"{field or 'The request'}: {first['msg']}.", field=field or "request")


def _error(status: status_pb2.Status) -> Error:
    info = error_details_pb2.ErrorInfo()
    retry = error_details_pb2.RetryInfo()
    asked_to_wait = False
    for detail in status.details:
        detail.Unpack(info)
        asked_to_wait = detail.Unpack(retry) or asked_to_wait
    return Error(
        code=CODES[status.code].name,
        reason=info.reason,
        message=status.message,
        details=dict(info.metadata),
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if asked_to_wait else None,
    )
