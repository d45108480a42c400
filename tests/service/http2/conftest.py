"""A door of its own for these tests, with handlers of every kind behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest

from service.http2.limits import Limits
from service.http2.server import Http2Server
from service.ports import listen

LIMITS = Limits(
    message_bytes=2**20,
    metadata_bytes=2**13,
    streams=100,
    body_seconds=30.0,
    age_seconds=0.0,
    idle_seconds=300.0,
    keepalive_seconds=60.0,
    keepalive_answer_seconds=20.0,
    ping_seconds=30.0,
    handshake_seconds=10.0,
)


@dataclass(slots=True)
class Handlers:
    """Methods of /test.Echo/, and what they saw."""

    seen: list[Any] = field(default_factory=list)
    cancelled: int = 0
    waiting: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def find(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        kinds: dict[str, Any] = {
            "Echo": grpc.unary_unary_rpc_method_handler(self.echo),
            "Wait": grpc.unary_unary_rpc_method_handler(self.wait),
            "Abort": grpc.unary_unary_rpc_method_handler(self.abort),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Cancel": grpc.unary_unary_rpc_method_handler(self.cancel),
            "Large": grpc.unary_unary_rpc_method_handler(self.large),
            "Context": grpc.unary_unary_rpc_method_handler(self.context),
            "Count": grpc.unary_stream_rpc_method_handler(self.count),
            "Write": grpc.unary_stream_rpc_method_handler(self.write),
            "Join": grpc.stream_unary_rpc_method_handler(self.join),
            "Idle": grpc.stream_unary_rpc_method_handler(self.idle),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        service, _, method = str(details.method).rpartition("/")
        return kinds.get(method) if service == "/test.Echo" else None

    async def echo(self, request: bytes, context: Any) -> bytes:
        self.seen.append(request)
        return request

    async def wait(self, request: bytes, context: Any) -> bytes:
        self.waiting += 1
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        return request

    async def abort(self, request: bytes, context: Any) -> bytes:
        trailing = (("x-words", "plain"), ("x-bytes-bin", b"\x00\xff"))
        await context.abort(grpc.StatusCode.NOT_FOUND, "nöthing 100 % here\n", trailing)
        raise AssertionError

    async def fail(self, request: bytes, context: Any) -> bytes:
        raise RuntimeError("a secret")

    async def cancel(self, request: bytes, context: Any) -> bytes:
        raise asyncio.CancelledError

    async def large(self, request: bytes, context: Any) -> bytes:
        return bytes(int(request))

    async def context(self, request: bytes, context: Any) -> bytes:
        return repr((context.time_remaining(), sorted(context.invocation_metadata()), context.peer())).encode()

    async def count(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            yield str(number).encode()

    async def write(self, request: bytes, context: Any) -> None:
        for _ in range(2):
            await context.write(request)

    async def join(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        return b"".join([request async for request in requests])

    async def idle(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """Reads when it is told to go on."""
        await self.go_on.wait()
        return b"".join([request async for request in requests])

    async def both(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                yield request
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@dataclass(slots=True, kw_only=True)
class Door:
    """A server that answers, and what stands behind it."""

    server: Http2Server
    handlers: Handlers
    port: int

    @property
    def connections(self) -> list[Any]:
        return list(self.server._site.connections)


Opened = Callable[..., AbstractAsyncContextManager[Door]]


@asynccontextmanager
async def opened(**limits: Any) -> AsyncIterator[Door]:
    """With other limits, where some are given."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    handlers = Handlers()
    server = Http2Server(handlers.find, listener, limits=replace(LIMITS, **limits))
    await server.start()
    try:
        yield Door(server=server, handlers=handlers, port=port)
    finally:
        await server.stop(None)
        await asyncio.sleep(0)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened() as found:
        yield found
