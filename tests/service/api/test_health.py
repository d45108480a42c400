"""grpc.health.v1 at a real server: the whole under the empty name, each model under its own."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from service.api.health import Health
from service.models.registry import Entry, State
from tests.service.in_process import InProcess, built, serving
from tests.service.packages import PackageRecipe, golden

SERVING, NOT_SERVING = "SERVING", "NOT_SERVING"


async def state_of(health: Health, name: str) -> str:
    """What the service would answer, asked without a server."""
    request = health_pb2.HealthCheckRequest(service=name)
    answer = await health.servicer.Check(request, None)  # it asks nothing of the context
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def entry(version: int, state: State) -> Entry:
    return Entry(name="thirds", version=version, state=state)


async def test_a_ready_server_says_so(service: InProcess) -> None:
    """As a whole and for its model."""
    assert await service.health() == SERVING
    assert await service.health("thirds") == SERVING


@pytest.mark.parametrize("name", ["quarters", "thirds/1", "../thirds", "recognition.v1.RecognitionService"])
async def test_nothing_is_said_of_what_is_not_there(service: InProcess, name: str) -> None:
    """NOT_FOUND, as the protocol wants it."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.health(name)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_server_that_has_not_loaded_is_not_serving(models: Path) -> None:
    """From its first moment."""
    async with built(models) as service:
        await service.server._health.begin()
        await service.server._grpc_server.start()
        assert await service.health() == NOT_SERVING
        await service.server._grpc_server.stop(None)


async def test_a_refused_model_is_not_serving_beside_a_good_one(models: Path) -> None:
    """The server as a whole is."""
    PackageRecipe(name="wrong", golden=golden(shift=1.0)).write(models)
    async with serving(models, require_all_models=False) as service:
        assert await service.health("wrong") == NOT_SERVING
        assert await service.health("thirds") == SERVING
        assert await service.health() == SERVING


async def test_a_model_serves_while_any_version_answers() -> None:
    """Until the last of them leaves."""
    health = Health()
    await health.watch_model(entry(1, State.LOADING))
    assert await state_of(health, "thirds") == NOT_SERVING
    await health.watch_model(entry(1, State.READY))
    await health.watch_model(entry(2, State.LOADING))
    assert await state_of(health, "thirds") == SERVING
    await health.watch_model(entry(2, State.READY))
    await health.watch_model(entry(1, State.DRAINING))
    assert await state_of(health, "thirds") == SERVING
    await health.watch_model(entry(2, State.FAILED))
    assert await state_of(health, "thirds") == NOT_SERVING


async def test_a_shutdown_is_for_good() -> None:
    """Everything turns at once, and a model that becomes ready afterwards changes nothing."""
    health = Health()
    await health.watch_model(entry(1, State.READY))
    await health.announce_ready()
    before = health.ready
    await health.announce_shutdown()
    assert (before, health.ready) == (True, False)
    await health.watch_model(entry(2, State.READY))
    assert await state_of(health, "") == NOT_SERVING
    assert await state_of(health, "thirds") == NOT_SERVING
