"""grpc.health.v1 behind the gate: whether the server lives is open to all; of a model only who may use it learns."""

from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1.health import aio

from service.api.auth.callers import NOBODY, current_caller
from service.api.errors import status_of
from service.api.surround import abort
from service.errors import ServiceError, TokenMissing

OVERALL = ""


class HealthOfCallers(aio.HealthServicer):
    """The health service as each caller may see it."""

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:  # noqa: N802
        await _check(request.service, context)
        return await super().Check(request, context)

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802
        await _check(request.service, context)
        await super().Watch(request, context)


async def _check(service: str, context: Any) -> None:
    """Names are those of models; others, such as a gRPC service's, are unknown to the health service in any case."""
    if service == OVERALL:
        return
    caller = current_caller.get()
    try:
        if caller is NOBODY:
            raise TokenMissing("Without a token only the health of the server as a whole is told.")
        caller.check_model(service)
    except ServiceError as error:
        await abort(context, status_of(error))
