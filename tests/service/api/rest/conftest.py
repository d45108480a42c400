"""The service with its HTTP door open, and a client that knows where it is."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.service.in_process import InProcess, serving


@pytest.fixture
async def open_service(models: Path) -> AsyncIterator[InProcess]:
    async with serving(models, http=True) as running:
        yield running


@pytest.fixture
async def client(open_service: InProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{open_service.http_port}", timeout=60) as client:
        yield client
