"""Generated requests for every call of the OpenAPI description: the server never fails, and answers as described."""

import math
from typing import Any, TypeAlias

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from tests.integration.running_service import RunningService

Case: TypeAlias = "schemathesis.Case[Any]"
Operation: TypeAlias = "schemathesis.APIOperation[Any, Any, Any, Any]"

NOT_OFFERED = 501
"""What is described and not done here, such as loading models by request: an answer by intention, and no failure."""


@pytest.mark.parametrize("requests", [300, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_request_makes_the_server_fail(service: RunningService, requests: int) -> None:
    """Two thousand, spread over all calls; a few of each in the short form."""
    assert bombard(service, requests=requests) >= requests


def bombard(service: RunningService, *, requests: int) -> int:
    """Sends generated requests, spread over all calls; raises for a 5xx. How many were sent."""
    sample = httpx.get(f"{service.url}/v1/models/fashion_cnn/samples/0").content
    described = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    calls = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    calls.sort(key=lambda call: "{" in call.path)
    sent = 0

    def strike(call: Operation, times: int) -> None:
        @settings(
            max_examples=times,
            suppress_health_check=list(HealthCheck),
            deadline=None,
            derandomize=True,
            database=None,
        )
        @given(case=call.as_strategy(), data=st.data())
        def send(case: Case, data: st.DataObject) -> None:
            nonlocal sent
            aim(case, data, sample)
            response = case.call()
            sent += 1
            fine = response.status_code < 500 or response.status_code == NOT_OFFERED
            assert fine, (case.as_curl_command(), response.text)
            case.operation.validate_response(response)

        send()

    for done, call in enumerate(calls):  # where there is little to vary, fewer are sent, and the others get more
        strike(call, math.ceil((requests - sent) / (len(calls) - done)))
    return sent


def aim(case: Case, data: st.DataObject, sample: bytes) -> None:
    """Makes the request mean something half of the time: a model that is there, a body that is an image."""
    for name, known in (("model", "fashion_cnn"), ("version", "1")):
        if name in case.path_parameters and data.draw(st.booleans()):
            case.path_parameters[name] = known
    if case.media_type == "application/octet-stream" and data.draw(st.booleans()):
        case.body = sample
