"""The service with its HTTP door open, and a client that knows where it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.service.in_process import InProcess, serving
from tests.service.packages import PackageRecipe


@pytest.fixture
async def open_service(models: Path) -> AsyncIterator[InProcess]:
    async with serving(models, http=True) as running:
        yield running


@pytest.fixture
async def client(open_service: InProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{open_service.http_port}", timeout=60) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    """For tests of a module that change nothing and count nothing; they run in the module's loop."""
    root = tmp_path_factory.mktemp("models")
    PackageRecipe().write(root)
    async with (
        serving(root, http=True) as running,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{running.http_port}", timeout=60) as client,
    ):
        yield client
