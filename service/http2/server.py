"""The door itself: a listening socket whose connections speak gRPC. `start` to answer, `stop` when nobody is inside."""

import asyncio
import socket
import ssl
import time
from contextlib import suppress

import structlog

from service.http2.connection import Connection
from service.http2.intake import Intake
from service.http2.limits import Limits
from service.http2.site import Find, Living, Site

log = structlog.get_logger("service.http2")

TICK_SECONDS = 0.25


class Http2Server:
    """Answers on the event loop that it is started on; `find` gives the handler of a call."""

    def __init__(
        self, find: Find, listener: socket.socket, *, limits: Limits, tls: ssl.SSLContext | None = None
    ) -> None:
        self._listener = listener
        self._tls = tls
        self._handshake_seconds = limits.handshake_seconds
        self._site = Site(find=find, limits=limits, intake=Intake(message_bytes=limits.message_bytes))
        self._server: asyncio.Server | None = None
        self._clock: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to answer."""
        loop = asyncio.get_running_loop()
        self._clock = loop.create_task(self._tick(), name="http2")
        self._server = await loop.create_server(
            lambda: Connection(self._site),
            sock=self._listener,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else self._handshake_seconds,
        )

    async def stop(self, seconds: float | None) -> None:
        """Closes the port and tells the clients; what is still under way after so many seconds is cut off."""
        if self._server is None:
            self._listener.close()
            return
        self._server.close()
        if seconds is not None:
            now = time.monotonic()
            for connection in list(self._site.connections):
                connection.leave(now)
            while self._site.connections and time.monotonic() - now < seconds:  # noqa: ASYNC110 - they end by themselves
                await asyncio.sleep(0.01)
        for connection in list(self._site.connections):
            connection.abort()
        if self._clock is not None:
            self._clock.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for connection in list(self._site.connections):
                self._tick_one(connection, now)

    @staticmethod
    def _tick_one(connection: Living, now: float) -> None:
        """The clock of all others goes on, whatever happens to one."""
        try:
            connection.tick(now)
        except Exception:
            log.exception("connection failed")
            with suppress(Exception):
                connection.abort()
