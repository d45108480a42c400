"""The HTTP door as one FastAPI application, put together from its routers."""

import importlib.metadata
from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request, Response
from google.rpc import status_pb2
from starlette.exceptions import HTTPException

from service.api.calls import Calls
from service.api.health import Health
from service.api.oip.rest.routes import failure, no_such_route
from service.api.recogniser import Recogniser
from service.api.rest.card import add_card
from service.api.rest.classify import add_classify
from service.api.rest.embed import add_embed
from service.api.rest.errors import error_answer, refusal
from service.api.rest.explain import add_explain
from service.api.rest.models import add_models
from service.api.rest.playground import playground_router
from service.api.rest.predictions import add_predictions
from service.api.rest.probes import probes_router
from service.api.rest.routes import call_router
from service.api.rest.samples import add_samples
from service.api.rest.schemas import Error
from service.api.rest.summary import summary_router
from service.api.rest.uploads import UploadReader
from service.metrics import Metrics
from service.models.registry import Registry

OPEN_INFERENCE_PREFIX = "/v2"
ROUTING_ERRORS = {
    404: Error(
        code="NOT_FOUND", reason="ROUTE_NOT_FOUND", message="There is nothing here; /openapi.json lists what is."
    ),
    405: Error(
        code="UNIMPLEMENTED", reason="METHOD_NOT_ALLOWED", message="Not with this method; /openapi.json lists what is."
    ),
}


def build_app(
    *,
    calls: Calls,
    recogniser: Recogniser,
    registry: Registry,
    metrics: Metrics,
    health: Health,
    uploads: UploadReader,
    grpc_port: int,
    asks_for_token: bool = False,
    routers: Iterable[APIRouter] = (),
) -> FastAPI:
    """`routers` are those of other protocols on the same port; they bring their own rules for errors."""
    app = FastAPI(
        title="Recognition",
        version=importlib.metadata.version("recognition"),
        docs_url=None,
        redoc_url=None,
        exception_handlers={HTTPException: _no_such_route},
        redirect_slashes=False,
    )
    router = call_router(calls)
    add_models(router, registry)
    add_classify(router, recogniser, uploads)
    add_embed(router, recogniser, uploads)
    add_explain(router, recogniser, uploads)
    add_card(router, recogniser)
    add_samples(router, recogniser)
    add_predictions(router, recogniser, uploads)
    for part in (
        router,
        probes_router(health),
        summary_router(metrics),
        playground_router(grpc_port=grpc_port, asks_for_token=asks_for_token),
        *routers,
    ):
        app.include_router(part)
    return app


def refusal_at(path: str, status: status_pb2.Status) -> Response:
    """The answer to a call that did not come in, in the form of the protocol that the path belongs to."""
    return failure(status) if path.startswith(OPEN_INFERENCE_PREFIX) else refusal(status)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else
    if request.url.path.startswith(OPEN_INFERENCE_PREFIX):
        return no_such_route(error.status_code, error.headers or {})
    return error_answer(error.status_code, ROUTING_ERRORS[error.status_code], dict(error.headers or {}))
