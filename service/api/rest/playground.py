"""The playground at `/`: one page from files of this package, under a policy that lets nothing in from elsewhere."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

from service.api.rest.schemas import Schema

DIRECTORY = Path(__file__).parents[1] / "playground"
INDEX = "index.html"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class PageSettings(Schema):
    """What the page cannot know by itself."""

    grpc_port: int
    """For the snippets."""
    asks_for_token: bool
    """Likewise."""


def playground_router(*, grpc_port: int, asks_for_token: bool) -> APIRouter:
    """The page and its files, which are read once; nothing else can be reached by any name."""
    files = _read_files()
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page() -> Response:
        return _file(files, INDEX)

    @router.get("/playground/settings.json")
    async def settings() -> PageSettings:
        return PageSettings(grpc_port=grpc_port, asks_for_token=asks_for_token)

    @router.get("/playground/{name}")
    async def file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return _file(files, name)

    return router


def _read_files() -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in DIRECTORY.iterdir() if path.suffix in MEDIA_TYPES}


def _file(files: Mapping[str, bytes], name: str) -> Response:
    return Response(files[name], media_type=MEDIA_TYPES[Path(name).suffix], headers=HEADERS)
