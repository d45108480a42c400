"""Errors in the protocol's codes."""

import grpc
import pytest
from google.rpc import error_details_pb2

from service import errors
from service.api.errors import status_of
from service.api.oip.errors import open_inference_status


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.QueueFull("full", retry_seconds=1.0), grpc.StatusCode.UNAVAILABLE),
        (errors.DeadlineUnreachable("late"), grpc.StatusCode.UNAVAILABLE),
        (errors.ModelNotReady("loading"), grpc.StatusCode.UNAVAILABLE),
        (errors.ModelNotFound("unknown"), grpc.StatusCode.NOT_FOUND),
        (errors.ArgumentInvalid("wrong"), grpc.StatusCode.INVALID_ARGUMENT),
        (errors.NotOffered("no"), grpc.StatusCode.UNIMPLEMENTED),
        (errors.InferenceFailed("failed"), grpc.StatusCode.INTERNAL),
    ],
)
def test_codes_are_the_protocols_and_details_stay(error: errors.ServiceError, code: grpc.StatusCode) -> None:
    """The stable reason is still there."""
    status = open_inference_status(status_of(error))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, status.message, info.reason) == (code.value[0], error.sentence, error.reason)
