"""The probes `/livez` and `/readyz`: what the health service says, over HTTP. Like that, they are not counted."""

from fastapi import APIRouter, Response

from service.api.health import Health
from service.api.rest.schemas import Readiness


def probes_router(health: Health) -> APIRouter:
    router = APIRouter()

    @router.get("/livez")
    async def live() -> Readiness:
        """200 while the process runs its event loop."""
        return Readiness(status="SERVING")

    @router.get("/readyz", responses={503: {"model": Readiness, "description": "Loading, or shutting down"}})
    async def ready(response: Response) -> Readiness:
        """200 while requests are welcome, 503 while models load and from the moment that a shutdown begins."""
        if health.ready:
            return Readiness(status="SERVING")
        response.status_code = 503
        return Readiness(status="NOT_SERVING")

    return router
