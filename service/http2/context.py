"""What a handler sees of its call: of gRPC's ServicerContext, what ours and those of grpcio's own packages use."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, Protocol

import grpc

from service.http2.answers import Metadata
from service.http2.stream import Stream


class Wire(Protocol):
    """The connection, as a call sees it."""

    peer: str

    async def next_message(self, stream: Stream) -> bytes | None:
        """None after the last."""

    async def write(self, stream: Stream, message: bytes) -> None:
        """Returns when the client has room for the next."""


class CallDetails(grpc.HandlerCallDetails):
    """By which a handler is found."""

    __slots__ = ("invocation_metadata", "method")

    def __init__(self, method: str, invocation_metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.method = method
        self.invocation_metadata = invocation_metadata


class CallContext:
    """Of one call."""

    __slots__ = ("_stream", "_wire", "code", "details", "trailing")

    def __init__(self, stream: Stream, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire
        self.code = grpc.StatusCode.OK
        self.details = ""
        self.trailing: Metadata = ()

    def time_remaining(self) -> float | None:
        """Seconds; None for a call without a deadline."""
        deadline = self._stream.deadline
        return None if deadline is None else max(0.0, deadline - time.monotonic())

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._stream.head.metadata

    def peer(self) -> str:
        return self._wire.peer

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Nobody is known by a certificate here; the gate knows tokens."""
        return {}

    def cancelled(self) -> bool:
        return self._stream.answered

    done = cancelled

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()) -> NoReturn:
        """Ends the call."""
        self.code, self.details, self.trailing = code, details, trailing_metadata
        raise grpc.aio.AbortError

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, trailing_metadata: Metadata) -> None:
        self.trailing = trailing_metadata

    async def read(self) -> Any:
        """The next message; `grpc.aio.EOF` after the last."""
        message = await self._wire.next_message(self._stream)
        if message is None:
            return grpc.aio.EOF
        parse = None if self._stream.handler is None else self._stream.handler.request_deserializer
        return message if parse is None else parse(message)

    async def write(self, message: Any) -> None:
        """Of an answer that is a stream."""
        serialize = None if self._stream.handler is None else self._stream.handler.response_serializer
        await self._wire.write(self._stream, message if serialize is None else serialize(message))

    def __aiter__(self) -> "CallContext":
        """The messages of the call, as handlers take them that are given many."""
        return self

    async def __anext__(self) -> Any:
        message = await self.read()
        if message is grpc.aio.EOF:
            raise StopAsyncIteration
        return message
