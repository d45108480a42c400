"""What happens around every call."""

import asyncio

import grpc
import pytest
from structlog.testing import capture_logs

from service.api.calls import CallRefused, Calls, current_call
from service.api.door import Door
from service.errors import ModelNotFound
from service.metrics import Metrics


class House:
    """Calls behind a door, with what was counted."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.door = Door()
        self.calls = Calls(self.metrics, self.door)

    def ended(self, code: str) -> float | None:
        labels = {"rpc": "Classify", "model": "shoes", "version": "1", "code": code}
        return self.metrics.registry.get_sample_value("recognition_requests_total", labels)

    async def call(self, error: BaseException | None = None) -> None:
        async with self.calls.around("Classify"):
            current_call.get().model, current_call.get().version = "shoes", "1"
            assert self.door.inside == 1
            if error is not None:
                raise error


async def test_a_call_is_counted_and_timed() -> None:
    """With the model that it noted; nobody is left inside."""
    house = House()
    await house.call()
    assert house.ended("OK") == 1
    assert (
        house.metrics.registry.get_sample_value("recognition_request_duration_seconds_count", {"rpc": "Classify"}) == 1
    )
    assert house.door.inside == 0


async def test_an_expected_error_keeps_its_words() -> None:
    """Its status has the code of the table."""
    house = House()
    with pytest.raises(CallRefused) as refused:
        await house.call(ModelNotFound("There is no such model."))
    assert refused.value.status.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert refused.value.status.message == "There is no such model."
    assert house.ended("NOT_FOUND") == 1


async def test_anything_else_is_internal_and_tells_nothing() -> None:
    """The log has it, the caller has not."""
    house = House()
    with capture_logs() as log, pytest.raises(CallRefused) as refused:
        await house.call(KeyError("secret"))
    assert refused.value.status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in str(refused.value.status)
    assert [entry["event"] for entry in log if entry["log_level"] == "error"] == ["call failed"]
    assert house.ended("INTERNAL") == 1


async def test_a_caller_who_goes_away_is_counted_as_cancelled() -> None:
    """The cancellation goes on its way, and nobody is left inside."""
    house = House()
    with pytest.raises(asyncio.CancelledError):
        await house.call(asyncio.CancelledError())
    assert house.ended("CANCELLED") == 1
    assert house.door.inside == 0
