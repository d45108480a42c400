"""Statuses of the service, of proxies and of gRPC itself, as details."""

from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from recognition_client.status import ErrorDetails, details_of_call, details_of_status

from tests.client.fake_service import status


class FailedCall(grpc.RpcError):
    """What gRPC raises, with a status of choice."""

    def __init__(self, code: grpc.StatusCode, text: str, trailers: tuple[tuple[str, str | bytes], ...] = ()) -> None:
        self._code, self._text, self._trailers = code, text, trailers

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text

    def trailing_metadata(self) -> Any:
        return self._trailers


def test_everything_the_service_says_is_read() -> None:
    """Code, reason, sentence, metadata and the time to wait."""
    details = details_of_status(
        status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "The queue is full.", retry_seconds=2)
    )
    assert details == ErrorDetails(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED,
        reason="QUEUE_FULL",
        message="The queue is full.",
        metadata={"limit": "8"},
        retry_after_seconds=2.5,
    )


def test_other_kinds_of_detail_are_passed_over() -> None:
    """A BadRequest before the ErrorInfo does not hide it."""
    answer = status(grpc.StatusCode.INVALID_ARGUMENT, "ARGUMENT_INVALID")
    packed = AnyMessage()
    packed.Pack(BadRequest())
    answer.details.insert(0, packed)
    assert details_of_status(answer).reason == "ARGUMENT_INVALID"


def test_reasons_of_other_domains_are_not_ours() -> None:
    """A gateway's RATE_LIMIT_EXCEEDED is no reason of the recognition service."""
    packed = AnyMessage()
    packed.Pack(ErrorInfo(reason="QUEUE_FULL", domain="gateway.example"))
    assert details_of_status(Status(code=8, details=[packed])).reason == ""


def test_broken_details_do_not_hide_the_error() -> None:
    """Bytes that are no ErrorInfo leave the code and the sentence."""
    broken = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff\xff")
    details = details_of_status(Status(code=5, message="Not here.", details=[broken]))
    assert (details.code, details.reason, details.message) == (grpc.StatusCode.NOT_FOUND, "", "Not here.")


def test_an_unheard_of_code_is_unknown() -> None:
    """A number outside the list does not raise."""
    assert details_of_status(Status(code=99)).code is grpc.StatusCode.UNKNOWN


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (grpc.StatusCode.UNAVAILABLE, "host:1 cannot be reached: refused"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "host:1 gave no answer in time: refused"),
        (grpc.StatusCode.UNIMPLEMENTED, "host:1 does not offer the recognition API: refused"),
        (grpc.StatusCode.INTERNAL, "refused"),
    ],
)
def test_where_the_service_did_not_speak_the_server_is_named(code: grpc.StatusCode, sentence: str) -> None:
    """The sentence says which server it was."""
    details = details_of_call(FailedCall(code, "refused"), target="host:1")
    assert (details.code, details.reason, details.message) == (code, "", sentence)


@pytest.mark.parametrize("trailer", [b"\xff\xff", Status(code=5, message="other").SerializeToString()])
def test_trailers_that_contradict_the_call_are_not_believed(trailer: bytes) -> None:
    """A proxy that rewrote the code, or broke the bytes, leaves what gRPC itself says."""
    call = FailedCall(grpc.StatusCode.INTERNAL, "It failed.", (("grpc-status-details-bin", trailer),))
    assert details_of_call(call, target="host:1") == ErrorDetails(code=grpc.StatusCode.INTERNAL, message="It failed.")


def test_a_request_that_grpc_finds_too_large_has_the_reason_of_a_large_image() -> None:
    """Before the service sees it, gRPC refuses it in its own words."""
    call = FailedCall(grpc.StatusCode.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)")
    assert details_of_call(call, target="host:1").reason == "IMAGE_TOO_LARGE"


def test_as_text_the_sentence_and_the_reason_stand_together() -> None:
    """The code takes the place of a reason that was not given."""
    assert str(ErrorDetails(code=grpc.StatusCode.INTERNAL, reason="INFERENCE_FAILED", message="No.")) == (
        "No (INFERENCE_FAILED)"
    )
    assert str(ErrorDetails(code=grpc.StatusCode.INTERNAL, message="No.")) == "No (INTERNAL)"
