"""`/v2` and below it: what the server and its models are."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from service.api.oip.description import Description
from service.api.oip.rest.fields import fields_of
from service.api.oip.rest.schemas import Failure, Live, ModelMetadata, ModelReady, Ready, ServerMetadata
from service.api.oip.rest.selection import MODEL, VERSION, Selected

NOT_READY = 400
"""What the protocol's clients know as `no`."""
NO_ANSWER: dict[int | str, dict[str, Any]] = {
    NOT_READY: {"model": ModelReady | Failure, "description": "It does not answer, or the version is no number"}
}
CONFIG = {"description": "How the model is served: ModelConfig of proto/recognition/oip/model_config.proto"}
STATISTICS = {"description": "ModelStatisticsResponse of proto/recognition/oip/open_inference.proto"}


def health_router(description: Description) -> APIRouter:
    """Like the probes, these are answered without being counted, and while the doors close."""
    router = APIRouter()

    @router.get("/v2/health/live")
    async def server_live() -> Live:
        """200 while the process runs its event loop."""
        return Live(live=True)

    @router.get("/v2/health/ready", responses={NOT_READY: {"model": Ready, "description": "Loading, or shutting down"}})
    async def server_ready(response: Response) -> Ready:
        """200 once every model is loaded, until a shutdown begins."""
        ready = description.ready()
        if not ready:
            response.status_code = NOT_READY
        return Ready(ready=ready)

    return router


def add_description(router: APIRouter, description: Description) -> None:
    """Adds the calls to a router."""

    @router.get("/v2")
    async def server_metadata() -> ServerMetadata:
        """Name, version and extensions."""
        return ServerMetadata.model_validate(fields_of(description.server()))

    @router.get("/v2/models/stats", responses={200: STATISTICS})
    async def all_statistics() -> dict[str, Any]:
        """What every model version has done since it was loaded."""
        return fields_of(description.statistics("", ""))

    @router.get(MODEL, response_model=ModelMetadata)
    @router.get(VERSION, response_model=ModelMetadata)
    async def model_metadata(selected: Selected) -> dict[str, Any]:
        """Names, types and shapes of a model's tensors."""
        return fields_of(description.model(selected.name, selected.version))

    @router.get(MODEL + "/ready", responses=NO_ANSWER, response_model=ModelReady)
    @router.get(VERSION + "/ready", responses=NO_ANSWER, response_model=ModelReady)
    async def model_ready(selected: Selected) -> Response:
        """200 where the version answers."""
        ready = description.model_ready(selected.name, selected.version)
        return JSONResponse({"name": selected.name, "ready": ready}, 200 if ready else NOT_READY)

    @router.get(MODEL + "/config", responses={200: CONFIG})
    @router.get(VERSION + "/config", responses={200: CONFIG})
    async def model_config(selected: Selected) -> dict[str, Any]:
        """How a model is served."""
        return fields_of(description.config(selected.name, selected.version))

    @router.get(MODEL + "/stats", responses={200: STATISTICS})
    @router.get(VERSION + "/stats", responses={200: STATISTICS})
    async def model_statistics(selected: Selected) -> dict[str, Any]:
        """What a model has done since it was loaded."""
        return fields_of(description.statistics(selected.name, selected.version))
