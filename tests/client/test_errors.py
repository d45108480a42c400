"""From what a call ended with to the exception that callers catch."""

import pickle
import re
from pathlib import Path

import grpc
import pytest
from recognition_client import RecognitionClient, errors
from recognition_client.status import ErrorDetails

from tests.client.fake_service import FakeService, RunningServer, status

PROTO = Path(__file__).parents[2] / "proto" / "recognition" / "v1" / "recognition.proto"
CASES = [
    ("INVALID_ARGUMENT", "IMAGE_UNREADABLE", errors.ImageRejected),
    ("INVALID_ARGUMENT", "IMAGE_UNSUPPORTED", errors.ImageRejected),
    ("INVALID_ARGUMENT", "IMAGE_TOO_LARGE", errors.ImageRejected),
    ("INVALID_ARGUMENT", "BATCH_TOO_LARGE", errors.BatchTooLarge),
    ("INVALID_ARGUMENT", "ANSWER_TOO_LARGE", errors.BatchTooLarge),
    ("INVALID_ARGUMENT", "ARGUMENT_INVALID", errors.ArgumentInvalid),
    ("NOT_FOUND", "MODEL_NOT_FOUND", errors.ModelNotFound),
    ("NOT_FOUND", "VERSION_NOT_FOUND", errors.VersionNotFound),
    ("NOT_FOUND", "PRECISION_NOT_FOUND", errors.PrecisionNotFound),
    ("UNAVAILABLE", "MODEL_NOT_READY", errors.ModelNotReady),
    ("UNAVAILABLE", "SHUTTING_DOWN", errors.Unavailable),
    ("UNAVAILABLE", "DEVICE_EXHAUSTED", errors.Unavailable),
    ("UNAVAILABLE", "DEVICE_LOST", errors.Unavailable),
    ("UNAVAILABLE", "DECODER_UNAVAILABLE", errors.Unavailable),
    ("RESOURCE_EXHAUSTED", "QUEUE_FULL", errors.Overloaded),
    ("DEADLINE_EXCEEDED", "DEADLINE_UNREACHABLE", errors.DeadlineExceeded),
    ("INTERNAL", "INFERENCE_FAILED", errors.InferenceFailed),
    ("UNIMPLEMENTED", "NOT_OFFERED", errors.NotOffered),
    ("UNAUTHENTICATED", "TOKEN_MISSING", errors.AccessDenied),
    ("UNAUTHENTICATED", "TOKEN_INVALID", errors.AccessDenied),
    ("PERMISSION_DENIED", "NOT_PERMITTED", errors.AccessDenied),
    ("RESOURCE_EXHAUSTED", "RATE_EXCEEDED", errors.Overloaded),
    # A reason that is newer than this client: the code decides.
    ("INVALID_ARGUMENT", "NEWER", errors.ArgumentInvalid),
    ("UNAVAILABLE", "NEWER", errors.Unavailable),
    ("DATA_LOSS", "NEWER", errors.RecognitionError),
    # No reason at all: a proxy, another server, or gRPC itself.
    ("UNAVAILABLE", "", errors.ServerUnreachable),
    ("RESOURCE_EXHAUSTED", "", errors.Overloaded),
    ("DEADLINE_EXCEEDED", "", errors.DeadlineExceeded),
    ("UNIMPLEMENTED", "", errors.NotOffered),
    ("NOT_FOUND", "", errors.ModelNotFound),
    ("UNAUTHENTICATED", "", errors.AccessDenied),
    ("PERMISSION_DENIED", "", errors.AccessDenied),
    ("UNKNOWN", "", errors.RecognitionError),
]


@pytest.mark.parametrize(("code", "reason", "kind"), CASES)
def test_each_reason_is_one_kind_of_exception(code: str, reason: str, kind: type[errors.RecognitionError]) -> None:
    """Over a real connection, with the reason, the sentence and the code kept."""
    service = FakeService()
    service.failures.append(status(grpc.StatusCode[code], reason, "The sentence."))
    server = RunningServer(service)
    with RecognitionClient(server.target, max_attempts=1) as client, pytest.raises(errors.RecognitionError) as caught:
        client.classify(b"shoe")
    server.stop()
    assert type(caught.value) is kind
    assert (caught.value.code.name, caught.value.reason) == (code, reason)
    assert "The sentence." in caught.value.message
    assert caught.value.metadata == ({"limit": "8"} if reason else {})


def test_every_reason_of_the_api_has_an_exception() -> None:
    """The list that opens recognition.proto holds none that this client does not know."""
    header = PROTO.read_text().split("syntax", maxsplit=1)[0].split("`reason` is stable:")[1]
    codes = {code.name for code in grpc.StatusCode}
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", header)) - codes
    assert "QUEUE_FULL" in named
    assert named <= {reason for _, reason, _ in CASES}


def test_an_exception_survives_the_way_between_processes() -> None:
    """Workers of a pool hand their failures back pickled."""
    details = ErrorDetails(code=grpc.StatusCode.NOT_FOUND, reason="MODEL_NOT_FOUND", message="No.", metadata={"a": "b"})
    copy = pickle.loads(pickle.dumps(errors.error_of(details)))  # noqa: S301 - our own bytes
    assert type(copy) is errors.ModelNotFound
    assert copy.details == details


def test_an_exception_reads_as_its_sentence() -> None:
    """What a log shows is the sentence and the reason."""
    details = ErrorDetails(code=grpc.StatusCode.NOT_FOUND, reason="MODEL_NOT_FOUND", message="There is no model x.")
    assert str(errors.error_of(details)) == "There is no model x (MODEL_NOT_FOUND)"
