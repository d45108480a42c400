"""The table of errors: each has its code, a stable reason, and the details that tell a program what to do."""

from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2

from service import errors
from service.api.errors import CODES, DOMAIN, HTTP_STATUSES, code_of, internal_status, status_of
from tests.service.api.refusals import refusal_of

TABLE = {
    "TOKEN_MISSING": "UNAUTHENTICATED",
    "TOKEN_INVALID": "UNAUTHENTICATED",
    "NOT_PERMITTED": "PERMISSION_DENIED",
    "RATE_EXCEEDED": "RESOURCE_EXHAUSTED",
    "IMAGE_UNREADABLE": "INVALID_ARGUMENT",
    "IMAGE_UNSUPPORTED": "INVALID_ARGUMENT",
    "IMAGE_TOO_LARGE": "INVALID_ARGUMENT",
    "BATCH_TOO_LARGE": "INVALID_ARGUMENT",
    "ANSWER_TOO_LARGE": "INVALID_ARGUMENT",
    "ARGUMENT_INVALID": "INVALID_ARGUMENT",
    "MODEL_NOT_FOUND": "NOT_FOUND",
    "VERSION_NOT_FOUND": "NOT_FOUND",
    "PRECISION_NOT_FOUND": "NOT_FOUND",
    "MODEL_NOT_READY": "UNAVAILABLE",
    "SHUTTING_DOWN": "UNAVAILABLE",
    "DEVICE_EXHAUSTED": "UNAVAILABLE",
    "DEVICE_LOST": "UNAVAILABLE",
    "QUEUE_FULL": "RESOURCE_EXHAUSTED",
    "DEADLINE_UNREACHABLE": "DEADLINE_EXCEEDED",
    "INFERENCE_FAILED": "INTERNAL",
    "NOT_OFFERED": "UNIMPLEMENTED",
    "CALLER_GONE": "CANCELLED",
    "DECODER_UNAVAILABLE": "UNAVAILABLE",
    "ENCODING_UNSUPPORTED": "UNIMPLEMENTED",
}
"""reason → code; clients rely on it, so a change here breaks them."""


def below(parent: type[errors.ServiceError]) -> Iterator[type[errors.ServiceError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from below(kind)


KINDS = tuple(kind for kind in below(errors.ServiceError) if kind.__module__ == errors.__name__)
"""Every error there is."""


def example(kind: type[errors.ServiceError]) -> errors.ServiceError:
    if kind in (errors.QueueFull, errors.RateExceeded):
        return kind("Come back later.", retry_seconds=0.5)
    return kind("Something is wrong.", limit="3")


def test_reasons_and_codes_are_those_that_clients_know() -> None:
    """All of them, and no reason twice."""
    assert len({kind.reason for kind in KINDS}) == len(KINDS)
    assert {kind.reason: CODES[kind].name for kind in KINDS} == TABLE


def test_every_code_has_an_http_status() -> None:
    """Between 400 and 599; faults of the caller are 4xx."""
    for code in CODES.values():
        assert 400 <= HTTP_STATUSES[code] < 600
    assert HTTP_STATUSES[grpc.StatusCode.INVALID_ARGUMENT] == 400
    assert HTTP_STATUSES[grpc.StatusCode.UNAVAILABLE] == 503


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.reason)
def test_a_status_says_what_the_error_says(kind: type[errors.ServiceError]) -> None:
    """Code, sentence, reason, and the facts beside it."""
    error = example(kind)
    found = refusal_of(status_of(error))
    assert found.code == code_of(error).name
    assert found.message == error.sentence
    assert (found.reason, found.domain) == (kind.reason, DOMAIN)
    assert found.metadata == error.metadata


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.reason)
def test_only_faults_of_the_request_name_a_field(kind: type[errors.ServiceError]) -> None:
    """INVALID_ARGUMENT says which field, others have none."""
    found = refusal_of(status_of(example(kind)))
    assert found.fields == ({"image": found.message} if found.code == "INVALID_ARGUMENT" else {})


def test_the_field_is_the_one_at_fault() -> None:
    """As the error names it."""
    found = refusal_of(status_of(errors.ArgumentInvalid("top_k must be more.", field="options.top_k")))
    assert found.fields == {"options.top_k": "top_k must be more."}


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.0, 2.25, 90.0])
def test_a_full_queue_says_when_to_come_back(seconds: float) -> None:
    """To the nanosecond, more than a second included."""
    found = refusal_of(status_of(errors.QueueFull("Full.", retry_seconds=seconds)))
    assert found.retry_seconds == pytest.approx(seconds, abs=1e-6)


def test_nobody_else_asks_to_retry() -> None:
    """RetryInfo belongs to QUEUE_FULL and RATE_EXCEEDED."""
    for kind in set(KINDS) - {errors.QueueFull, errors.RateExceeded}:
        assert refusal_of(status_of(example(kind))).retry_seconds is None


def test_a_fault_of_the_server_tells_only_its_id() -> None:
    """Constant words around the id under which the log has it."""
    one, other = internal_status("aaaa"), internal_status("bbbb")
    assert one.message.replace("aaaa", "bbbb") == other.message
    found = refusal_of(one)
    assert (found.code, found.reason, found.metadata) == ("INTERNAL", "INTERNAL", {"request_id": "aaaa"})
    assert [detail.TypeName() for detail in one.details] == [error_details_pb2.ErrorInfo.DESCRIPTOR.full_name]
