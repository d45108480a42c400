"""uvicorn inside the service's own event loop: it has no say over signals, and lives as long as the server wants."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""In which the headers of a request must have come."""
MAX_HEADER_BYTES = 16 * 2**10


TICKS_A_SECOND = 10
"""As uvicorn counts them; with every tenth it writes the date anew that its answers bear."""


class Uvicorn(uvicorn.Server):
    """Wakes up once a second and hears at once that it is to end: as it comes, it looks ten times a second."""

    _loop: asyncio.AbstractEventLoop | None = None
    _ended: asyncio.Event

    async def main_loop(self) -> None:
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._ended.wait()
            ticks += TICKS_A_SECOND

    def end(self) -> None:
        """From any thread, whether it was started or not."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._ended.set)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves the signals to the service, which has a drain period before the doors close."""
        yield


class HttpServer:
    """An application behind a listening socket: `start` to answer, `stop` when the last call has left."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        max_header_bytes: int = MAX_HEADER_BYTES,
    ) -> None:
        self._server = uvicorn_server(app, tls, max_header_bytes=max_header_bytes)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]), name="http")

    async def stop(self) -> None:
        """Closes the port; connections that are idle are closed with it."""
        self._server.end()
        if self._task is None:
            self._listener.close()
        else:
            await self._task


class _Protocol(H11Protocol):
    """Ends connections that do not come to the point: uvicorn itself waits for ever for the headers of a request."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        if self._timer is None and self._waits:
            self._expect_headers()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._stop_timer()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def _waits(self) -> bool:
        """Whether the headers of a request have yet to come."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr] # None at first

    def _expect_headers(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._timer = None
        if self._waits:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def uvicorn_server(app: ASGIApp, tls: ssl.SSLContext | None, *, max_header_bytes: int = MAX_HEADER_BYTES) -> Uvicorn:
    """Not started."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        h11_max_incomplete_event_size=max_header_bytes,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    return Uvicorn(config)
