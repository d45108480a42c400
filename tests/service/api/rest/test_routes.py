"""The route of an API call: counted, and its errors translated."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.api.calls import Calls
from service.api.door import Door
from service.api.rest.routes import call_router
from service.errors import InferenceFailed, QueueFull
from service.metrics import Metrics


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    """Routes that fail in every way."""
    router = call_router(Calls(Metrics(), door))

    @router.get("/full")
    async def full() -> None:
        raise QueueFull("Full.", retry_seconds=1.2)

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret of the house")

    @router.get("/failed")
    async def failed() -> None:
        raise InferenceFailed("The model could not compute this batch.")

    app = FastAPI()
    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


async def test_a_refusal_becomes_a_status_and_json(client: httpx.AsyncClient) -> None:
    """QUEUE_FULL is 429, and says when to come back in the header and in the body."""
    answer = await client.get("/full")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "2"
    error = answer.json()["error"]
    assert (error["code"], error["reason"], error["message"]) == ("RESOURCE_EXHAUSTED", "QUEUE_FULL", "Full.")
    assert error["retry_after_seconds"] == 1.2


async def test_the_unexpected_tells_nothing_but_an_id(client: httpx.AsyncClient) -> None:
    """500 with a constant text; the log has the exception under the same id."""
    with capture_logs() as log:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    error = answer.json()["error"]
    assert error["reason"] == "INTERNAL"
    assert [entry["request_id"] for entry in log if entry["event"] == "call failed"] == [error["details"]["request_id"]]


async def test_a_failed_inference_is_500(client: httpx.AsyncClient) -> None:
    """It has a reason of its own."""
    answer = await client.get("/failed")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (500, "INFERENCE_FAILED")


async def test_a_closed_door_says_shutting_down(client: httpx.AsyncClient, door: Door) -> None:
    """503, which clients retry elsewhere; nobody is left inside."""
    await door.close(within_seconds=0.0)
    answer = await client.get("/full")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (503, "SHUTTING_DOWN")
    assert door.inside == 0
