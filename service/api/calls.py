"""What happens around every call, whichever door it came through: admitted, counted, timed, its errors translated."""

import contextvars
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property

import grpc
import structlog
from google.rpc import status_pb2

from service.api.door import Door
from service.api.errors import code_of, internal_status, status_of
from service.errors import InferenceFailed, ServiceError
from service.metrics import Metrics
from service.tracing import UNTRACED, Metadata, Tracing

log = structlog.get_logger("service.call")


@dataclass
class Call:
    """What is noted about the call that is being answered, for the metrics, the log and the trace."""

    tracing: Tracing = UNTRACED
    model: str = ""
    version: str = ""

    @cached_property
    def request_id(self) -> str:
        """Made when a log line or an error asks for it, which most calls never do."""
        return uuid.uuid4().hex


current_call: contextvars.ContextVar[Call] = contextvars.ContextVar("current_call")


def add_call(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A processor for the log: lines that are written during a call say which one, and name its trace."""
    call = current_call.get(None)
    return event if call is None else {"request_id": call.request_id, **call.tracing.ids(), **event}


class CallRefused(Exception):
    """The call ends with this status; each door says it in its own protocol."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self.status = status


class Calls:
    """One for all doors, so that they keep the same rules."""

    def __init__(self, metrics: Metrics, door: Door, tracing: Tracing = UNTRACED) -> None:
        self._metrics = metrics
        self._door = door
        self._tracing = tracing

    @asynccontextmanager
    async def around(self, rpc: str, metadata: Metadata = ()) -> AsyncIterator[None]:
        """Admits, counts and times what happens inside. Whatever it raises becomes a CallRefused, here and only here.

        `rpc` labels the metrics, so it names one of the API's calls and nothing that a client made up; `metadata`,
        which a client did, may name the trace that the call belongs to.
        """
        with self._tracing.request(rpc, metadata):
            async with self._noted(rpc):
                yield

    def turn_away(self, rpc: str, error: ServiceError) -> status_pb2.Status:
        """Counts and notes a call that a gate did not let in; the status that it ends with."""
        self._metrics.requests.labels(rpc, "", "", code_of(error).name).inc()
        self._note_refusal(rpc, error)
        return status_of(error)

    @asynccontextmanager
    async def _noted(self, rpc: str) -> AsyncIterator[None]:
        began = time.monotonic()
        call = Call(self._tracing)
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
            raise CallRefused(status_of(error)) from error
        except Exception as error:
            code = grpc.StatusCode.INTERNAL
            log.exception("call failed", rpc=rpc, request_id=call.request_id)
            raise CallRefused(internal_status(call.request_id)) from error
        finally:
            if entered:
                self._door.leave()
            self._metrics.requests.labels(rpc, call.model, call.version, code.name).inc()
            self._metrics.observe_request(rpc, time.monotonic() - began)
            self._tracing.end(model=call.model, version=call.version, code=code.name)
            log.debug("call ended", rpc=rpc, code=code.name, model=call.model, version=call.version)

    def _note_refusal(self, rpc: str, error: ServiceError) -> None:
        self._metrics.observe_refusal(error.reason)
        if isinstance(error, InferenceFailed):
            log.error("inference failed", rpc=rpc, exc_info=error.__cause__)
        else:
            log.info("call refused", rpc=rpc, reason=error.reason, sentence=error.sentence)
