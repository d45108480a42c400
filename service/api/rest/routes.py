"""The route of an API call: it runs inside `Calls.around`, as over gRPC, and a refusal becomes a status and JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from service.api.calls import CallRefused, Calls
from service.api.rest.errors import RESPONSES, argument_invalid, refusal

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def call_router(calls: Calls) -> APIRouter:
    """A router whose every route is counted under its method and its path with the names of the parameters."""

    class CallRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            inner = super().get_route_handler()
            rpc = f"{' '.join(self.methods or ())} {self.path}"

            async def outer(request: Request) -> Response:
                try:
                    async with calls.around(rpc, request.headers.items()):
                        return await _translated(inner, request)
                except CallRefused as refused:
                    return refusal(refused.status)

            return outer

    return APIRouter(route_class=CallRoute, responses=RESPONSES)


async def _translated(inner: Handler, request: Request) -> Response:
    try:
        return await inner(request)
    except RequestValidationError as error:
        raise argument_invalid(error) from error
