"""How a stream of the asyncio client really ended.

grpc.aio replaces the status that a server ended a stream with by an INTERNAL of its own, where a message was being
written at that moment. The server's status can be had before, when the call is done, or a moment later.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeAlias, TypeVar, cast

import grpc
import grpc.aio

GRPCS_OWN = "Internal error from Core"
"""What grpc.aio says instead of the server's words."""
_TRIES = 50
_BETWEEN_SECONDS = 0.01

Result = TypeVar("Result")
# Quoted: the stubs know type parameters that the class itself does not take.
Call: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"


class Ended(grpc.RpcError):
    """The status of a call at one moment; it reads like any failed call."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: Any) -> None:
        super().__init__(details)
        self._code = code
        self._details = details
        self._metadata = metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> Any:
        return self._metadata


class Ending:
    """Watches one call from its beginning."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._first: Ended | None = None
        call.add_done_callback(lambda _: self._note())

    def _note(self) -> None:
        self._first = self._first or _status_now(self._call)

    async def of(self, error: grpc.RpcError) -> grpc.RpcError:
        """The error that the server meant, where this is one of gRPC's own."""
        if not _is_own(error):
            return error
        if self._first is not None and not _is_own(self._first):
            return self._first
        for _ in range(_TRIES):
            status = _status_now(self._call)
            if status is not None and not _is_own(status):
                return status
            await asyncio.sleep(_BETWEEN_SECONDS)
        return error


def _is_own(error: grpc.RpcError) -> bool:
    call = cast("grpc.Call", error)  # each of them has what is asked of one here
    return call.code() is grpc.StatusCode.INTERNAL and call.details() == GRPCS_OWN


def _status_now(call: Call) -> Ended | None:
    """None while it is not known."""
    code, details, metadata = _at_once(call.code()), _at_once(call.details()), _at_once(call.trailing_metadata())
    return None if code is None else Ended(code, details or "", metadata or ())


def _at_once(coroutine: Coroutine[Any, Any, Result]) -> Result | None:
    """Its result, if it need not wait; in a callback nothing can be awaited."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: Result = done.value
        return result
    coroutine.close()
    return None
