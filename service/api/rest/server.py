"""uvicorn inside the service's own event loop: it has no say over signals, and lives as long as the server wants."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the signals to the service, which has a drain period before the doors close."""
        yield


class HttpServer:
    """An application behind a listening socket: `start` to answer, `stop` when the last call has left."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = uvicorn_server(app, tls)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http")

    async def stop(self) -> None:
        """Closes the port; connections that are idle are closed with it."""
        self._server.should_exit = True
        if self._task is None:
            self._listener.close()
        else:
            await self._task


def uvicorn_server(app: ASGIApp, tls: ssl.SSLContext | None) -> uvicorn.Server:
    """Not started."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return _Uvicorn(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; port 0 picks a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    listener.setblocking(False)
    # Connections inherit it. asyncio sets it on them too, but not where the listener came from `create_server`; without
    # it every answer waits 40 ms for the acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
