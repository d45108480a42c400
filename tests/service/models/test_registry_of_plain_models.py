"""Plain models in the registry."""

from pathlib import Path

import pytest

from service.errors import ArgumentInvalid
from service.models.registry import State
from tests.service import plain_models
from tests.service.in_process import InProcess, serving


def states(service: InProcess, name: str) -> dict[int, State]:
    return {entry.version: entry.state for entry in service.server._registry.entries() if entry.name == name}


async def test_a_plain_model_is_served_beside_packages(models: Path) -> None:
    """It answers as tensors; who wants labels is told why there are none."""
    plain_models.write(models, "plain", plain_models.identity())
    async with serving(models) as service:
        registry = service.server._registry
        entry = registry.find("plain")
        assert (entry.state, entry.live) == (State.READY, None)
        assert entry.plain is not None
        assert entry.digest == entry.plain.digest
        with pytest.raises(ArgumentInvalid, match="Open Inference Protocol"):
            registry.resolve("plain")
        assert service.live().manifest.name == "thirds"
        assert await service.health("plain") == "SERVING"


async def test_the_version_policy_selects(models: Path) -> None:
    """Instead of the highest version alone."""
    for version in (1, 2, 3):
        plain_models.write(models, "plain", plain_models.identity(), version=version)
    text = "version_policy { specific { versions: [1, 2] } }"
    (models / "plain" / "config.pbtxt").write_text(text, encoding="utf-8")
    async with serving(models) as service:
        assert states(service, "plain") == {1: State.READY, 2: State.READY, 3: State.UNLOADED}
        assert service.server._registry.find("plain").version == 2


async def test_a_bad_plain_model_is_listed_as_failed(models: Path) -> None:
    """With the reason, while the others answer."""
    plain_models.write(models, "plain", b"not a model")
    async with serving(models, require_all_models=False) as service:
        entry = service.server._registry.find("plain")
        assert entry.state is State.FAILED
        assert "plain/1/model.onnx" in entry.reason
