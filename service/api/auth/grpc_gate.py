"""The gate of the gRPC door: no method of any service is reached without a token, but for those named here."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import grpc

from service.api.auth.access import HEADER, Access, only_one
from service.api.auth.callers import EVERYONE, NOBODY, Caller, current_caller
from service.api.calls import Calls
from service.api.surround import Context, RpcHandler, Translate, abort
from service.errors import ServiceError

OPEN = frozenset({"/grpc.health.v1.Health/Check", "/inference.GRPCInferenceService/ServerLive"})
"""The liveness of the server, as over HTTP; of a model it says nothing without a token (service/api/auth/health.py)."""
UNCHARGED = ("/grpc.health.v1.Health/", "/grpc.reflection.")


class GrpcGate:
    """Asked before any method of any service; one that is added later is behind it too."""

    def __init__(self, access: Access, calls: Calls, *, translations: Mapping[str, Translate]) -> None:
        """`translations` gives, for the services that have their own codes, how a status becomes theirs."""
        self._access = access
        self._calls = calls
        self._translations = translations

    def admit(self, method: str, metadata: Any) -> "RpcHandler | None":
        """None for a caller who may come in; else a handler that refuses the call.

        The caller is noted for all that runs in this task, the call's own.
        """
        try:
            current_caller.set(self._caller(method, metadata))
        except ServiceError as error:
            return self._refusing(method, error)
        return None

    def _caller(self, method: str, metadata: Any) -> Caller:
        if not self._access.asks:
            return EVERYONE
        given = [value for key, value in metadata if key == HEADER]
        try:
            caller = self._access.caller_of(only_one(given))
        except ServiceError:
            if method in OPEN:
                return NOBODY
            raise
        if method not in OPEN and not method.startswith(UNCHARGED):
            caller.charge()
        return caller

    def _refusing(self, method: str, error: ServiceError) -> RpcHandler:
        """A handler that ends the call before it reads anything; it fits methods of every kind."""
        service, _, rpc = method.removeprefix("/").rpartition("/")

        async def refuse(requests: AsyncIterator[bytes], context: Context) -> None:  # noqa: ARG001
            status = self._calls.turn_away(rpc, error)
            translate = self._translations.get(service)
            await abort(context, status if translate is None else translate(status))

        return grpc.stream_stream_rpc_method_handler(refuse)
