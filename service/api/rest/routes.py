"""The route of an API call: it runs inside `Calls.around`, as over gRPC, and a refusal becomes a status and JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from service.api.calls import CallRefused, Calls
from service.api.rest.errors import RESPONSES, argument_invalid, refusal
from service.errors import ArgumentInvalid

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def call_router(calls: Calls) -> APIRouter:
    """A router whose every route is counted under its method and its path with the names of the parameters."""

    class CallRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            inner = super().get_route_handler()
            rpc = f"{' '.join(self.methods or ())} {self.path}"
            every = get_flat_params(self.dependant)
            known = sorted(field.alias for field in every if isinstance(field.field_info, params.Query))

            async def outer(request: Request) -> Response:
                try:
                    async with calls.around(rpc, request.headers.items()):
                        _check_names(request, known)
                        return await _translated(inner, request)
                except CallRefused as refused:
                    return refusal(refused.status)

            return outer

    return APIRouter(route_class=CallRoute, responses=RESPONSES)


def _check_names(request: Request, known: list[str]) -> None:
    """A parameter that is passed over in silence would be taken for one that is heeded. Raises ArgumentInvalid."""
    for name in request.query_params:
        if name not in known:
            choice = f"it takes {', '.join(known)}" if known else "it takes none"
            raise ArgumentInvalid(f"This call has no parameter {name[:64]!r}; {choice}.", field="query")


async def _translated(inner: Handler, request: Request) -> Response:
    try:
        return await inner(request)
    except RequestValidationError as error:
        raise argument_invalid(error) from error
