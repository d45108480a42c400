"""What happens around every call, whichever door it came through: admitted, counted, timed, its errors translated."""

import contextvars
import time
import uuid
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType

import grpc
import structlog
from google.rpc import status_pb2

from service.api.door import Door
from service.api.errors import code_of, internal_status, status_of
from service.counting import count
from service.errors import InferenceFailed, ServiceError, as_told
from service.metrics import Metrics
from service.tracing import UNTRACED, Metadata, Tracing

log = structlog.get_logger("service.call")


@dataclass
class Call:
    """What is noted about the call that is being answered, for the metrics, the log and the trace."""

    tracing: Tracing = UNTRACED
    model: str = ""
    version: str = ""
    entered: bool = False
    """Whether the door let it in."""

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

    @property
    def traces(self) -> bool:
        """Whether anybody looks at a call's metadata."""
        return self._tracing is not UNTRACED

    def around(self, rpc: str, metadata: Metadata = ()) -> AbstractAsyncContextManager[None]:
        """Admits, counts and times what happens inside. Whatever it raises becomes a CallRefused, here and only here.

        `rpc` labels the metrics, so it names one of the API's calls and nothing that a client made up; `metadata`,
        which a client did, may name the trace that the call belongs to.
        """
        return _Around(self, rpc, self._tracing.request(rpc, metadata))

    def turn_away(self, rpc: str, error: ServiceError) -> status_pb2.Status:
        """Counts and notes a call that a gate did not let in; the status that it ends with."""
        self._metrics.observe_turned_away(rpc, code_of(error).name)
        self._note_refusal(rpc, error)
        return status_of(error)

    def begin(self) -> Call:
        """The call that is answered in this task from now on; `admit` it next."""
        call = Call(self._tracing)
        current_call.set(call)
        count(self._metrics.received)
        return call

    def admit(self, call: Call) -> None:
        """Raises ShuttingDown; `end` must follow then too."""
        self._door.enter()
        call.entered = True

    def refusal_of(self, call: Call, rpc: str, error: Exception) -> tuple[grpc.StatusCode, CallRefused]:
        """How a call ends that raised an error, which is noted."""
        if isinstance(error, ServiceError):
            self._note_refusal(rpc, error)
            return code_of(error), CallRefused(status_of(error))
        log.error("call failed", rpc=rpc, request_id=call.request_id, exc_info=error)
        return grpc.StatusCode.INTERNAL, CallRefused(internal_status(call.request_id))

    def end(self, call: Call, rpc: str, code: grpc.StatusCode, seconds: float) -> None:
        """Counts a call, however it ended."""
        if call.entered:
            self._door.leave()
        name: str = code.name
        self._metrics.observe_call(rpc, model=call.model, version=call.version, code=name, seconds=seconds)
        self._tracing.end(model=call.model, version=call.version, code=name)
        log.debug("call ended", rpc=rpc, code=name, model=call.model, version=call.version)

    def _note_refusal(self, rpc: str, error: ServiceError) -> None:
        self._metrics.observe_refusal(as_told(error).reason)
        if isinstance(error, InferenceFailed):
            log.error("inference failed", rpc=rpc, exc_info=error.__cause__)
        else:
            log.info("call refused", rpc=rpc, reason=error.reason, sentence=error.sentence)


class _Around(AbstractAsyncContextManager[None]):
    """A class and no generator, which would cost every call some microseconds more."""

    def __init__(self, calls: Calls, rpc: str, trace: AbstractContextManager[None]) -> None:
        self._calls = calls
        self._rpc = rpc
        self._trace = trace
        self._began = time.monotonic()
        self._call = calls.begin()

    async def __aenter__(self) -> None:
        self._trace.__enter__()
        try:
            self._calls.admit(self._call)
        except ServiceError as error:
            self._end(error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        code, refused = grpc.StatusCode.OK, None
        try:
            if isinstance(error, Exception):
                code, refused = self._calls.refusal_of(self._call, self._rpc, error)
            elif error is not None:
                code = grpc.StatusCode.CANCELLED  # the caller went away
            self._calls.end(self._call, self._rpc, code, time.monotonic() - self._began)
        finally:
            self._trace.__exit__(None, None, None)
        if refused is not None:
            raise refused from error
