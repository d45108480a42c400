"""Errors as the Open Inference Protocol codes them: where it differs from recognition.v1, it prevails at its doors.

No room and no time are UNAVAILABLE there, which its clients know as something to try again. The details, with the
stable reason, stay.
"""

from collections.abc import Mapping
from types import MappingProxyType

import grpc
from google.rpc import status_pb2

OTHER_CODES: Mapping[int, int] = MappingProxyType(
    {
        grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]: grpc.StatusCode.UNAVAILABLE.value[0],
        grpc.StatusCode.DEADLINE_EXCEEDED.value[0]: grpc.StatusCode.UNAVAILABLE.value[0],
    }
)


def open_inference_status(status: status_pb2.Status) -> status_pb2.Status:
    """The same error with the protocol's code."""
    return status_pb2.Status(
        code=OTHER_CODES.get(status.code, status.code), message=status.message, details=status.details
    )
