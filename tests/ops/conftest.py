"""What the checks of the manifests share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the kustomizations that combine overlays and components are written."""
    return tmp_path_factory.mktemp("kustomize")
