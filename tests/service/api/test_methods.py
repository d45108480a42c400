"""The table of methods (service/api/methods.py), at a real server."""

from pathlib import Path
from typing import Any

import pytest
from grpc.aio._server import Server
from grpc_health.v1 import health_pb2

from tests.service.in_process import InProcess, serving


async def test_no_method_is_registered_with_the_server_of_grpc(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would look through a task for each of them with every call; all answer through one handler."""
    registered: list[str] = []

    def note(_: Any, service: str, __: Any) -> None:
        registered.append(service)

    monkeypatch.setattr(Server, "add_registered_method_handlers", note)
    async with serving(models) as service:
        assert await service.health() == "SERVING"
    assert registered == []


async def test_services_that_are_not_counted_go_through_the_table_too(service: InProcess) -> None:
    """Health is one of them."""
    ask: Any = service.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert health_pb2.HealthCheckResponse.FromString(await ask(b"")).status == health_pb2.HealthCheckResponse.SERVING
