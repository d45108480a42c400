"""The error table, as HTTP says it."""

import json

import pytest
from fastapi.exceptions import RequestValidationError

from service import errors
from service.api.errors import CODES, http_status_of, internal_status, status_of
from service.api.rest.errors import argument_invalid, error_of, refusal


def made(kind: type[errors.ServiceError]) -> errors.ServiceError:
    if kind in (errors.QueueFull, errors.RateExceeded):
        return kind("Full.", retry_seconds=0.5)
    return kind("A sentence.", field="image")


@pytest.mark.parametrize("kind", CODES)
def test_every_error_has_a_status_and_keeps_its_words(kind: type[errors.ServiceError]) -> None:
    """4xx for the caller's faults, 5xx for the server's, the reason in the body."""
    error = made(kind)
    answer = refusal(status_of(error))
    assert answer.status_code == http_status_of(CODES[kind], kind.reason)
    body = json.loads(bytes(answer.body))["error"]
    assert (body["code"], body["reason"], body["message"]) == (CODES[kind].name, kind.reason, error.sentence)
    assert error_of(error).reason == kind.reason


def test_a_full_queue_says_when_to_come_back() -> None:
    """In whole seconds in the header, as HTTP wants it."""
    answer = refusal(status_of(errors.QueueFull("Full.", retry_seconds=2.5)))
    assert answer.headers["Retry-After"] == "3"
    assert json.loads(bytes(answer.body))["error"]["retry_after_seconds"] == 2.5


def test_a_fault_of_the_server_carries_its_id() -> None:
    """And nothing else."""
    body = json.loads(bytes(refusal(internal_status("abc")).body))["error"]
    assert (body["reason"], body["details"]) == ("INTERNAL", {"request_id": "abc"})


def test_a_parameter_that_is_wrong_is_named() -> None:
    """In the service's own words for it."""
    found = RequestValidationError([{"loc": ("query", "top_k"), "msg": "Input should be a valid integer", "type": "x"}])
    error = argument_invalid(found)
    assert (error.sentence, error.metadata) == ("top_k: Input should be a valid integer.", {"field": "top_k"})
