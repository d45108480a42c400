"""What the tests of the service start from: a clean environment, a repository with one good model, and the service."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.config import PREFIX
from tests.service.in_process import InProcess, serving
from tests.service.packages import PackageRecipe


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests do not count."""
    for name in list(os.environ):
        if name.upper().startswith(PREFIX):
            monkeypatch.delenv(name)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository that holds version 1 of the model `thirds`."""
    root = tmp_path / "models"
    PackageRecipe().write(root)
    return root


@pytest.fixture
async def service(models: Path) -> AsyncIterator[InProcess]:
    async with serving(models) as running:
        yield running
