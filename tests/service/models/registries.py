"""Registries over repositories of the small model, and what the tests ask of them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from service.models.live_model import LiveModel
from service.models.package import Package
from service.models.registry import Entry, Registry, State
from service.models.repository import ALIASES_FILE, ModelRepository
from tests.service.packages import PackageRecipe, encode, picture

Load = Callable[[Package], Awaitable[LiveModel]]


class Watcher:
    """Remembers what the registry told it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, State]] = []

    async def watch(self, entry: Entry) -> None:
        self.told.append((entry.name, entry.version, entry.state))


@asynccontextmanager
async def started(
    root: Path, load: Load, *, require_all: bool = True, watcher: Watcher | None = None
) -> AsyncIterator[Registry]:
    registry = Registry(ModelRepository(root), load, watch=(watcher or Watcher()).watch, require_all=require_all)
    await registry.start()
    try:
        yield registry
    finally:
        await registry.drain()


def publish(root: Path, *versions: int, name: str = "thirds") -> None:
    for version in versions:
        PackageRecipe(name=name, version=version).write(root)


def write_aliases(root: Path, aliases: object, *, name: str = "thirds") -> None:
    (root / name / ALIASES_FILE).write_text(json.dumps(aliases), encoding="utf-8")


def states(registry: Registry) -> dict[int, State]:
    return {entry.version: entry.state for entry in registry.entries()}


async def answers(live: LiveModel) -> bool:
    """Whether the model names the bright third of a picture."""
    answer = await live.classifier.classify(encode(picture(1)), top_k=1)
    return answer.classification.predictions[0].label == "middle"
