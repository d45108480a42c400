"""Runs the handler of one call, of any of gRPC's four kinds, and says how the call ended."""

import asyncio
from contextlib import aclosing
from typing import Any, Protocol

import grpc
import structlog

from service.http2.answers import Metadata
from service.http2.context import CallContext, Wire
from service.http2.stream import RpcHandler, Stream, Unacceptable

log = structlog.get_logger("service.http2")

FAILED = "The server failed to answer this call."
ENDED = "The server ended this call before its time; send it again."


class Answers(Wire, Protocol):
    """Takes what comes of a call."""

    def answer(self, stream: Stream, message: bytes) -> None:
        """The one message of a call that went well."""

    def finish(self, stream: Stream, code: grpc.StatusCode, words: str = "", metadata: Metadata = ()) -> None:
        """How the call ended, after whatever messages there were."""


async def answer_call(stream: Stream, handler: RpcHandler, wire: Answers) -> None:
    """Whatever the handler does, the call has an end, unless nobody waits for it any more."""
    context = CallContext(stream, wire)
    try:
        if handler.unary_unary is not None:
            response = await handler.unary_unary(_only_message(stream, handler), context)  # type: ignore[misc, arg-type]
            if context.code is grpc.StatusCode.OK:
                serialize = handler.response_serializer
                wire.answer(stream, response if serialize is None else serialize(response))
                return
        else:
            await _stream(stream, handler, context)
    except grpc.aio.AbortError:
        pass
    except Unacceptable as error:
        context.code, context.details, context.trailing = error.code, error.words, ()
    except asyncio.CancelledError:
        if stream.answered:
            raise
        context.code, context.details = grpc.StatusCode.UNAVAILABLE, ENDED
    except Exception as error:  # whatever it is, the caller learns nothing of it
        log.exception("call failed", rpc=stream.head.path, exc_info=error)
        context.code, context.details = grpc.StatusCode.INTERNAL, FAILED
    wire.finish(stream, context.code, context.details, context.trailing)


async def _stream(stream: Stream, handler: RpcHandler, context: CallContext) -> None:
    """Where the call has several messages in, out, or both."""
    given: Any = context if handler.request_streaming else _only_message(stream, handler)
    run: Any = handler.stream_stream or handler.unary_stream or handler.stream_unary
    running = run(given, context)
    if hasattr(running, "__aiter__"):
        async with aclosing(running):
            async for response in running:
                await context.write(response)
        return
    response = await running
    if not handler.response_streaming and context.code is grpc.StatusCode.OK:
        await context.write(response)


def _only_message(stream: Stream, handler: RpcHandler) -> Any:
    message, parse = stream.messages.popleft(), handler.request_deserializer
    return message if parse is None else parse(message)
