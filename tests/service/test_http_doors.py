"""The doors that speak HTTP: bound before the start, answered during it, closed whether they were answered or not."""

import asyncio
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.http_doors import HttpDoors, HttpServers
from service.ports import listen
from tests.service.in_process import built


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def test_who_connects_before_the_start_is_answered_after_it(models: Path) -> None:
    """The ports are bound already, so nobody is turned away."""
    async with built(models, http=True) as service:
        ports = (service.http_port, service.metrics_port)
        async with httpx.AsyncClient() as client:
            early = [asyncio.create_task(client.get(f"http://127.0.0.1:{port}/livez", timeout=60)) for port in ports]
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in early)
            await service.server._http.start()
            assert [answer.status_code for answer in await asyncio.gather(*early)] == [200, 200]
        await service.server._http.stop_api()
        await service.server._http.stop_metrics()
        assert [await refused(port) for port in ports] == [True, True]
        await service.server._grpc_server.stop(None)


async def test_doors_that_were_never_opened_are_closed_all_the_same() -> None:
    """Where the start fails before, or building them does."""

    def fail() -> HttpServers:
        raise ValueError("broken")

    sockets = [listen("127.0.0.1", 0) for _ in range(2)]
    ports = [socket.getsockname()[1] for socket in sockets]
    doors = HttpDoors(fail, metrics=sockets[0], api=sockets[1])
    with pytest.raises(ValueError, match="broken"):
        await doors.start()
    await doors.stop_api()
    await doors.stop_metrics()
    assert [await refused(port) for port in ports] == [True, True]


def test_the_libraries_of_http_are_imported_while_the_models_load() -> None:
    """And not before, as the start would wait for them."""
    code = "import sys, service.__main__, service.bootstrap; print({'fastapi', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
