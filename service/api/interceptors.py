"""What happens around every call: it is counted and timed, and its errors are translated, here and only here."""

import contextvars
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, cast

import grpc
import structlog
from google.rpc import status_pb2
from grpc_status import rpc_status

from service.api.door import Door
from service.api.errors import code_of, internal_status, status_of
from service.errors import InferenceFailed, ServiceError
from service.metrics import Metrics

log = structlog.get_logger("service.call")

Handler = Callable[[Any, Any], Awaitable[Any]]
# Quoted: the stubs know type parameters that the classes themselves do not take.
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
StreamHandler = Callable[[Any, Any], AsyncIterator[Any]]
RpcHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler | None]]"


@dataclass(slots=True)
class Call:
    """What a door notes about the call that it is answering, for the metrics."""

    model: str = ""
    version: str = ""


current_call: contextvars.ContextVar[Call] = contextvars.ContextVar("current_call")


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of our own service; others (health, reflection) pass untouched."""

    def __init__(self, metrics: Metrics, door: Door, *, service: str) -> None:
        self._metrics = metrics
        self._door = door
        self._prefix = f"/{service}/"

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "RpcHandler | None":
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or not method.startswith(self._prefix):
            return handler
        rpc = method.removeprefix(self._prefix)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._around(rpc, handler.unary_unary),
                request_deserializer=handler.request_deserializer,
                response_serializer=handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._around_stream(rpc, cast("StreamHandler", handler.stream_stream)),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _around(self, rpc: str, inner: Handler) -> Handler:
        async def outer(request: Any, context: Context) -> Any:
            async with self._call(rpc, context):
                return await inner(request, context)

        return outer

    def _around_stream(self, rpc: str, inner: StreamHandler) -> StreamHandler:
        async def outer(requests: Any, context: Context) -> AsyncIterator[Any]:
            async with self._call(rpc, context):
                async for response in inner(requests, context):
                    yield response

        return outer

    @asynccontextmanager
    async def _call(self, rpc: str, context: Context) -> AsyncIterator[None]:
        """Counts and times what happens inside, and turns its exception into a status."""
        began = time.monotonic()
        call = Call()
        current_call.set(call)
        code = grpc.StatusCode.CANCELLED  # stands where the caller goes away
        entered = False
        try:
            self._door.enter()
            entered = True
            yield
            code = grpc.StatusCode.OK
        except ServiceError as error:
            code = code_of(error)
            self._note_refusal(rpc, error)
            await abort(context, status_of(error))
        except Exception:
            code = grpc.StatusCode.INTERNAL
            request_id = uuid.uuid4().hex
            log.exception("call failed", rpc=rpc, request_id=request_id)
            await abort(context, internal_status(request_id))
        finally:
            if entered:
                self._door.leave()
            self._metrics.requests.labels(rpc, call.model, call.version, code.name).inc()
            self._metrics.request_seconds.labels(rpc).observe(time.monotonic() - began)
            log.debug("call ended", rpc=rpc, code=code.name, model=call.model, version=call.version)

    def _note_refusal(self, rpc: str, error: ServiceError) -> None:
        self._metrics.observe_refusal(error.reason)
        if isinstance(error, InferenceFailed):
            log.error("inference failed", rpc=rpc, exc_info=error.__cause__)
        else:
            log.info("call refused", rpc=rpc, reason=error.reason, sentence=error.sentence)


async def abort(context: Context, status: status_pb2.Status) -> NoReturn:
    """Ends the call with this status and its details."""
    await context.abort_with_status(rpc_status.to_status(status))
