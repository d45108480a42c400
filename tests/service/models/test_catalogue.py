"""Which version answers a request (service/models/catalogue.py): an alias may share its requests between two."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.models.catalogue import package_of
from service.models.loader import ModelLoader
from service.models.registry import Registry
from service.models.repository import ALIASES_FILE, ModelRepository
from tests.service.models.damage import flip_bit
from tests.service.models.registries import Watcher
from tests.service.packages import PackageRecipe

CANARY = {"stable": {"version": 1, "canary": {"version": 2, "share": 0.25}}}


class Draws:
    """Numbers that go round: of a hundred, one of each percent."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return (self.count % 100) / 100


async def registry_of(root: Path, loader: ModelLoader, aliases: dict[str, Any], **options: Any) -> Registry:
    for version in (1, 2):
        PackageRecipe(version=version).write(root)
    (root / "thirds" / ALIASES_FILE).write_text(json.dumps(aliases))
    return Registry(ModelRepository(root), loader.load, watch=Watcher().watch, draw=Draws(), **options)


async def versions_chosen(registry: Registry, **choice: Any) -> Counter[int]:
    """Of 400 requests, each in a task of its own, as the doors have it."""

    async def one() -> int:
        return package_of(registry.choose("thirds", **choice)).manifest.version

    return Counter(await asyncio.gather(*(one() for _ in range(400))))


async def test_a_canary_answers_its_share(root: Path, loader: ModelLoader) -> None:
    """By the alias and by default; who names a version gets that one."""
    registry = await registry_of(root, loader, CANARY)
    await registry.start()
    assert await versions_chosen(registry) == {1: 300, 2: 100}
    assert await versions_chosen(registry, alias="stable") == {1: 300, 2: 100}
    assert await versions_chosen(registry, version=1) == {1: 400}
    assert await versions_chosen(registry, version=2) == {2: 400}
    assert registry.find("thirds").version == 1
    await registry.drain()


async def test_where_the_canary_was_refused_the_other_answers_all(root: Path, loader: ModelLoader) -> None:
    """It is no reason to fail."""
    registry = await registry_of(root, loader, CANARY, require_all=False)
    flip_bit(root / "thirds" / "2" / "model.onnx")
    await registry.start()
    assert await versions_chosen(registry) == {1: 400}
    await registry.drain()


@pytest.mark.parametrize("alias", [None, "stable"])
async def test_a_shadow_answers_nobody(root: Path, loader: ModelLoader, alias: str | None) -> None:
    """It is loaded, and that is all here."""
    registry = await registry_of(root, loader, {"stable": {"version": 1, "shadow": {"version": 2, "share": 1.0}}})
    await registry.start()
    assert await versions_chosen(registry, alias=alias) == {1: 400}
    assert registry.find("thirds", version=2).live is not None
    await registry.drain()


async def test_a_chosen_version_is_in_use_until_the_task_is_done(root: Path, loader: ModelLoader) -> None:
    """So that it is not released below a request that has looked it up."""
    registry = await registry_of(root, loader, {"stable": 1})
    await registry.start()
    go = asyncio.Event()

    async def use() -> None:
        registry.choose("thirds")
        await go.wait()

    task = asyncio.create_task(use())
    await asyncio.sleep(0)
    unloading = asyncio.create_task(registry.unload("thirds"))
    await asyncio.sleep(0.05)
    assert not unloading.done()
    go.set()
    await asyncio.wait_for(unloading, 60)
    await task
