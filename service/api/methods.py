"""Every method of every service behind the gRPC port, each wrapped once: a call finds its own in one look-up.

The generated `add_…_to_server` are given this instead of gRPC's server. That would wait for the next call of each
method in a task of its own, and look through all of these tasks with every call: with thirty methods that cost half as
much again as the rest of gRPC. For one handler of them all it waits once. Nor does an interceptor stand between, which
would cost every call two coroutines.
"""

from collections.abc import Iterable, Mapping

import grpc

from service.api.auth.grpc_gate import GrpcGate
from service.api.surround import RpcHandler, Surround


class Methods(grpc.GenericRpcHandler):
    """The gate stands before all of them; `surrounds` gives what stands around those of a service."""

    def __init__(self, gate: GrpcGate, *, surrounds: Mapping[str, Surround]) -> None:
        self._gate = gate
        self._surrounds = surrounds
        self._handlers: dict[str, RpcHandler] = {}

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, RpcHandler]) -> None:
        """The methods of one service by their names."""
        surround = self._surrounds.get(service_name)
        for rpc, handler in method_handlers.items():
            wrapped = handler if surround is None else surround.wrap(rpc, handler)
            self._handlers[f"/{service_name}/{rpc}"] = wrapped

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        """Generated code brings the same methods this way too; it is the other that says their names."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "RpcHandler | None":
        """The handler of a call, in the task that will answer it; None for a method that there is not."""
        method: str = handler_call_details.method
        refusing = self._gate.admit(method, handler_call_details.invocation_metadata or ())
        handler = self._handlers.get(method)
        return handler if handler is None or refusing is None else refusing
