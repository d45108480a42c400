"""`/v2/repository`: which versions there are, loading and unloading; and the answers to what is not offered."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request

from service.api.oip.control import Control
from service.api.oip.rest.fields import fields_of
from service.api.oip.rest.messages import parsed
from service.api.oip.rest.schemas import ControlBody, IndexBody, ModelIndex, inlined_schema
from service.api.oip.rest.selection import Text
from service.api.rest.uploads import UploadReader
from service.errors import NotOffered

REFUSED = (
    "/v2/systemsharedmemory/{rest:path}",
    "/v2/cudasharedmemory/{rest:path}",
    "/v2/trace/setting",
    "/v2/models/{model}/trace/setting",
    "/v2/logging",
)


def _body_of(schema: type[IndexBody | ControlBody]) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": inlined_schema(schema)}}}}


def add_control(router: APIRouter, control: Control, uploads: UploadReader) -> None:
    """Adds the calls to a router; what the operator does not allow is not described.

    Their bodies are read by hand, since they may be empty and of any content type.
    """

    @router.post("/v2/repository/index", openapi_extra=_body_of(IndexBody), response_model=list[ModelIndex])
    async def index(request: Request) -> list[dict[str, Any]]:
        """All model versions with their states."""
        body: IndexBody = parsed(IndexBody, await uploads.body(request))
        return [fields_of(model) for model in control.index("", only_ready=body.ready)]

    @router.post(
        "/v2/repository/models/{model}/load", openapi_extra=_body_of(ControlBody), include_in_schema=control.explicit
    )
    async def load(request: Request, model: Annotated[Text, Path()]) -> dict[str, str]:
        """Loads a model of the repository; only with model_control = explicit."""
        body: ControlBody = parsed(ControlBody, await uploads.body(request))
        await control.load("", model, body.parameters)
        return {}

    @router.post(
        "/v2/repository/models/{model}/unload", openapi_extra=_body_of(ControlBody), include_in_schema=control.explicit
    )
    async def unload(request: Request, model: Annotated[Text, Path()]) -> dict[str, str]:
        """Stops serving a model; only with model_control = explicit."""
        body: ControlBody = parsed(ControlBody, await uploads.body(request))
        await control.unload("", model, body.parameters)
        return {}


def add_refusals(router: APIRouter) -> None:
    """Adds an answer for the extensions that are not offered, so that their callers learn it."""

    async def not_offered() -> dict[str, str]:
        raise NotOffered("shared memory, trace and log settings are not offered")

    for path in REFUSED:
        router.add_api_route(path, not_offered, methods=["GET", "POST"], include_in_schema=False)
