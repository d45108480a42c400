"""The page and its files."""

import re

import httpx
import pytest

from service.api.rest.playground import DIRECTORY
from tests.service.in_process import InProcess


async def test_the_page_lets_nothing_in_from_elsewhere(client: httpx.AsyncClient) -> None:
    """The policy is strict, and the page keeps it: no inline code, no inline style, no foreign address."""
    page = await client.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|\son\w+=|https?://|<script(?![^>]*\ssrc=)", page.text)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", sorted(path.name for path in DIRECTORY.iterdir()))
async def test_every_file_is_served_with_its_kind(shared_client: httpx.AsyncClient, name: str) -> None:
    """Kinds that browsers insist on when they may not guess."""
    answer = await shared_client.get(f"/playground/{name}")
    kinds = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
    assert answer.content == (DIRECTORY / name).read_bytes()
    assert answer.headers["Content-Type"].startswith(kinds[name.rpartition(".")[2]])
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", ["nothing.js", "..%2F__init__.py", "%2e%2e%2fapp.py", "__init__.py"])
async def test_nothing_else_can_be_reached(shared_client: httpx.AsyncClient, name: str) -> None:
    """Only names of files that were read at the start mean anything."""
    assert (await shared_client.get(f"/playground/{name}")).status_code == 404


async def test_the_page_learns_what_its_snippets_need(open_service: InProcess, client: httpx.AsyncClient) -> None:
    """The port of the other door, and whether calls bring a token."""
    settings = (await client.get("/playground/settings.json")).json()
    assert settings == {"grpc_port": open_service.grpc_port, "asks_for_token": False}
