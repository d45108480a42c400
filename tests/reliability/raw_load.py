"""Calls over HTTP/2 by hand, which cost a fraction of what gRPC's client for Python does, so that where a load and the
service share few cores, the service has them.

An answer with a message is told from one without. The codes of the others are in the server's metrics.
"""

import asyncio
import struct
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache

from tests.reliability.load import Outcome
from tests.reliability.raw_client import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    SETTINGS,
    frame,
    headers,
    message_of,
)

RST_STREAM, PING, GOAWAY, WINDOW_UPDATE = 3, 6, 7, 8
ACK = 1
INITIAL_WINDOW, MAX_STREAMS, WINDOW_OF_STREAMS = 65_535, 3, 4
LARGEST_WINDOW = 2**31 - 1
FRAME_HEADER = 9
PICTURES = 256
"""So many different ones, made once."""

message_once = cache(message_of)


class Connection(asyncio.Protocol):
    """One connection; `ask` from any task."""

    def __init__(self, port: int) -> None:
        self._headers = headers(port)
        self._received = bytearray()
        self._calls: dict[int, tuple[asyncio.Future[str], bool]] = {}
        self._waiting: deque[tuple[bytes, asyncio.Future[str]]] = deque()
        self._next_stream = 1
        self._window = INITIAL_WINDOW
        self._most_streams = 100
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        settings = struct.pack(">HI", WINDOW_OF_STREAMS, LARGEST_WINDOW)
        room = struct.pack(">I", LARGEST_WINDOW - INITIAL_WINDOW)
        transport.write(PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, room))

    def connection_lost(self, exc: Exception | None) -> None:
        for future in [*(future for future, _ in self._calls.values()), *(future for _, future in self._waiting)]:
            if not future.done():
                future.set_result("LOST")

    async def ask(self, number: int) -> Outcome:
        """OK where a message came, REFUSED where none did, RESET or LOST where there is no answer at all."""
        began = time.monotonic()
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append((message_once(number % PICTURES), future))
        self._send()
        code = await future
        return Outcome(began=began, seconds=time.monotonic() - began, code=code, number=number)

    def _send(self) -> None:
        """As much as the server has room for."""
        assert self._transport is not None
        while self._waiting and len(self._calls) < self._most_streams:
            message, future = self._waiting[0]
            if len(message) > self._window:
                return
            self._waiting.popleft()
            stream, self._next_stream = self._next_stream, self._next_stream + 2
            self._calls[stream] = (future, False)
            self._window -= len(message)
            head = frame(HEADERS, END_HEADERS, stream, self._headers)
            self._transport.write(head + frame(DATA, END_STREAM, stream, message))

    def data_received(self, data: bytes) -> None:
        self._received += data
        at = 0
        while len(self._received) - at >= FRAME_HEADER:
            length = int.from_bytes(self._received[at : at + 3], "big")
            if len(self._received) - at < FRAME_HEADER + length:
                break
            kind, flags, stream = struct.unpack_from(">BBI", self._received, at + 3)
            self._take(kind, flags, stream, bytes(self._received[at + FRAME_HEADER : at + FRAME_HEADER + length]))
            at += FRAME_HEADER + length
        del self._received[:at]
        self._send()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._transport is not None
        if kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                self._most_streams = value if name == MAX_STREAMS else self._most_streams
            self._transport.write(frame(SETTINGS, ACK, 0, b""))
        elif kind == PING and not flags & ACK:
            self._transport.write(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self._transport.close()
        elif stream in self._calls:
            future, message = self._calls[stream]
            self._calls[stream] = (future, message or kind == DATA)
            if kind == RST_STREAM or (kind in {HEADERS, DATA} and flags & END_STREAM):
                self._end(stream, reset=kind == RST_STREAM)

    def _end(self, stream: int, *, reset: bool) -> None:
        future, message = self._calls.pop(stream)
        if not future.done():
            future.set_result("OK" if message else "RESET" if reset else "REFUSED")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class RawLoad:
    """Calls one service over several connections, in turns."""

    def __init__(self, connections: list[Connection]) -> None:
        self._connections = connections

    async def __call__(self, number: int) -> Outcome:
        return await self._connections[number % len(self._connections)].ask(number)


@asynccontextmanager
async def raw_load(port: int, *, connections: int) -> AsyncIterator[RawLoad]:
    """Open while it is needed."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(connections):
            _, connection = await loop.create_connection(lambda: Connection(port), "127.0.0.1", port)
            stack.callback(connection.close)
            opened.append(connection)
        yield RawLoad(opened)
