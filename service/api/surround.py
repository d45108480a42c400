"""The gRPC door's side of every call: it runs inside `Calls.around`, and a refusal becomes the status of the call."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NoReturn, TypeAlias, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from service.api.auth.callers import current_caller
from service.api.calls import CallRefused, Calls
from service.errors import AnswerTooLarge, ArgumentInvalid
from service.tracing import Metadata

Handler = Callable[[Any, Any], Awaitable[Any]]
# Quoted: the stubs know type parameters that the classes themselves do not take.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Parse = Callable[[bytes], Any]
Serialize = Callable[[Any], bytes]
Translate = Callable[[status_pb2.Status], status_pb2.Status]
StreamHandler = Callable[[Any, Any], AsyncIterator[Any]]
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

PUSHBACK = "grpc-retry-pushback-ms"
"""After how long a client of gRPC that retries shall do so."""
NEVER = "-1"


class Surround:
    """What stands around the methods of a service whose calls are counted; others (health, reflection) go without."""

    def __init__(self, calls: Calls, *, largest_answer: int, translate: Translate = lambda status: status) -> None:
        """`largest_answer` is the most bytes of a message; `translate` gives a status the code that the service's
        protocol has for it.
        """
        self._calls = calls
        self._largest_answer = largest_answer
        self._translate = translate

    def wrap(self, rpc: str, handler: RpcHandler) -> RpcHandler:
        """The same method, inside `Calls.around`."""
        parse, serialize = _parser(handler.request_deserializer), self._serializer(handler.response_serializer)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(self._around(rpc, handler.unary_unary, parse, serialize))
        inner = cast("StreamHandler", handler.stream_stream)
        return grpc.stream_stream_rpc_method_handler(self._around_stream(rpc, inner, parse, serialize))

    def _serializer(self, given: Serialize | None) -> Serialize:
        """Answers become bytes inside the call too: one that is too large to be sent is no success."""
        most = self._largest_answer

        def serialize(response: Any) -> bytes:
            message: bytes = response if given is None else given(response)
            if len(message) > most:
                raise AnswerTooLarge(
                    f"The answer has {len(message):,} bytes; {most:,} are the most. Ask for less in one request.",
                    field="request",
                )
            return message

        return serialize

    def _metadata(self, context: Context) -> Metadata:
        """GRPC makes it anew for everybody who asks, and where nothing is traced nobody needs it."""
        return (context.invocation_metadata() or ()) if self._calls.traces else ()

    def _around(self, rpc: str, inner: Handler, parse: Parse, serialize: Serialize) -> Handler:
        async def outer(request: bytes, context: Context) -> Any:
            try:
                async with self._calls.around(rpc, self._metadata(context)):
                    return serialize(await inner(parse(request), context))
            except CallRefused as refused:
                await abort(context, self._translate(refused.status))

        return outer

    def _around_stream(self, rpc: str, inner: StreamHandler, parse: Parse, serialize: Serialize) -> StreamHandler:
        async def outer(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            try:
                async with self._calls.around(rpc, self._metadata(context)):
                    async for response in inner(_at_the_callers_rate(requests, parse), context):
                        yield serialize(response)
            except CallRefused as refused:
                await abort(context, self._translate(refused.status))

        return outer


async def _at_the_callers_rate(requests: AsyncIterator[bytes], parse: Parse) -> AsyncIterator[Any]:
    """Each message of a stream counts as a call, but for the first, which came in with it; who sends faster is held
    back and not refused.
    """
    caller, first = current_caller.get(), True
    async for request in requests:
        while not first and (seconds := caller.wait_seconds()) > 0:  # noqa: ASYNC110 - time is what it waits for
            await asyncio.sleep(seconds)
        first = False
        yield parse(request)


def _parser(deserializer: Parse | None) -> Parse:
    """Messages are parsed inside the call: gRPC itself would answer bytes that are none with its own words."""

    def parse(request: bytes) -> Any:
        try:
            return request if deserializer is None else deserializer(request)
        except DecodeError as error:
            raise ArgumentInvalid("The request is not the message that this call takes.", field="request") from error

    return parse


async def abort(context: Context, status: status_pb2.Status) -> NoReturn:
    """Ends the call with this status and its details; gRPC's own retries are told what RetryInfo tells people."""
    ended = rpc_status.to_status(status)
    remaining = cast("float | None", context.time_remaining())  # the stubs do not know of None
    await context.abort(ended.code, ended.details, (*ended.trailing_metadata, *pushback(status, remaining)))


def pushback(status: status_pb2.Status, remaining_seconds: float | None) -> Iterator[tuple[str, str]]:
    """When to come back, as metadata; a caller whose own time is up by then shall rather hear the error now."""
    retry = error_details_pb2.RetryInfo()
    if any(detail.Unpack(retry) for detail in status.details if detail.Is(retry.DESCRIPTOR)):
        seconds = retry.retry_delay.ToTimedelta().total_seconds()
        in_time = remaining_seconds is None or seconds < remaining_seconds
        yield PUSHBACK, str(math.ceil(seconds * 1000)) if in_time else NEVER
