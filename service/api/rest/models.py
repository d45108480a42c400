"""The models over HTTP: which there are, in what state, and what is known of them."""

from fastapi import APIRouter

from service.api.rest import answers, schemas
from service.api.rest.selection import MODEL, VERSION, Selected
from service.models.registry import Registry


def add_models(router: APIRouter, registry: Registry) -> None:
    """Adds the calls to a router."""

    @router.get("/v1/models")
    async def list_models() -> schemas.ModelsAnswer:
        """All versions of the repository, ready or not, sorted by name and version."""
        return schemas.ModelsAnswer(models=[answers.model(entry) for entry in registry.entries()])

    @router.get(MODEL)
    @router.get(VERSION)
    async def get_model(selected: Selected) -> schemas.Model:
        """One version, in whatever state."""
        entry = registry.find(selected.name, version=selected.version, alias=selected.alias)
        return answers.model(entry, selected.precision)
