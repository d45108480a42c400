"""uvicorn inside the service's loop."""

import asyncio
import signal
import socket
import time
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from service.api.rest.server import HttpServer, Uvicorn
from service.bootstrap import build_server
from service.config import Settings
from service.ports import StartRefused, listen
from tests.service.in_process import QUICK


async def test_it_answers_and_stops_and_leaves_the_signals_alone() -> None:
    """The port is free again afterwards."""
    app = FastAPI()
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = HttpServer(app, listener)
    await server.start()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{port}/openapi.json")).status_code == 200
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers
        await server.stop()
    listen("127.0.0.1", port).close()


async def test_answers_do_not_wait_for_acknowledgements() -> None:
    """Connections send at once what there is: else each answer would take 40 ms, on however idle a machine."""
    listener = listen("127.0.0.1", 0)
    server = HttpServer(FastAPI(), listener)
    port = listener.getsockname()[1]
    await server.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        seconds = []
        for _ in range(50):
            began = time.monotonic()
            await client.get("/not-there")
            seconds.append(time.monotonic() - began)
        await server.stop()
    assert min(seconds) < 0.03


async def test_without_requests_it_wakes_up_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """To write the date of its answers anew, which is due at every tenth tick; and at once where it is to end."""
    ticks: list[int] = []
    on_tick = Uvicorn.on_tick

    async def counted(server: Uvicorn, tick: int) -> bool:
        ticks.append(tick)
        return await on_tick(server, tick)

    monkeypatch.setattr(Uvicorn, "on_tick", counted)
    server = HttpServer(FastAPI(), listen("127.0.0.1", 0))
    await server.start()
    began = time.monotonic()
    await asyncio.sleep(0.3)
    assert 1 <= len(ticks) <= 1 + time.monotonic() - began
    await server.stop()
    assert ticks == [10 * count for count in range(len(ticks))]


async def test_a_server_that_never_started_gives_its_port_back() -> None:
    """Where the models were refused before."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    await HttpServer(FastAPI(), listener).stop()
    listen("127.0.0.1", port).close()


async def test_a_port_that_is_taken_stops_the_start(models: Path) -> None:
    """With a sentence that names the port and the ways out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartRefused, match=rf"port {port} .* --http-port \(or --no-http\)"):
            await build_server(Settings(**(QUICK | {"models": models, "http": True, "http_port": port})))
