"""The route of a call of the protocol over HTTP: counted and admitted as over gRPC, its errors as JSON."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import grpc
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from google.rpc import error_details_pb2, status_pb2

from service.api.calls import CallRefused, Calls
from service.api.errors import http_status_of
from service.api.oip.errors import open_inference_status
from service.api.oip.rest.schemas import Failure
from service.api.rest.errors import CODES, argument_invalid, headers_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Failure, "description": "The caller's fault"},
    "5XX": {
        "model": Failure,
        "description": "No room or no time, not ready, not offered (501), or a fault of the server",
    },
}


def open_inference_calls(calls: Calls) -> APIRouter:
    """A router whose every route is counted under its method and its path with the names of the parameters."""

    class OpenInferenceRoute(APIRoute):
        def get_route_handler(self) -> Handler:
            inner = super().get_route_handler()
            rpc = f"{' '.join(sorted(self.methods or ()))} {self.path}"

            async def outer(request: Request) -> Response:
                try:
                    async with calls.around(rpc):
                        try:
                            return await inner(request)
                        except RequestValidationError as error:
                            raise argument_invalid(error) from error
                except CallRefused as refused:
                    return failure(refused.status)

            return outer

    return APIRouter(route_class=OpenInferenceRoute, responses=RESPONSES)


def no_such_route(http_status: int, headers: Mapping[str, str]) -> JSONResponse:
    """The answer where the protocol has nothing: 404, or 405 with another method."""
    code = grpc.StatusCode.NOT_FOUND if http_status == 404 else grpc.StatusCode.UNIMPLEMENTED
    sentence = "There is nothing here, or not with this method; /openapi.json lists what is."
    body = Failure(error=sentence, code=code.name, reason="ROUTE_NOT_FOUND")
    return JSONResponse(body.model_dump(), http_status, dict(headers))


def failure(status: status_pb2.Status) -> JSONResponse:
    """The answer to a call that ended with this status."""
    status = open_inference_status(status)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    code = CODES[status.code]
    body = Failure(error=status.message, code=code.name, reason=info.reason)
    http_status = http_status_of(code, info.reason)
    return JSONResponse(body.model_dump(), http_status, headers_of(http_status))
