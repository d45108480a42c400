"""The registry while it serves: how versions come, go, and are told from each other meanwhile."""

import asyncio
import shutil
from pathlib import Path

import pytest

from service.engine.answers import Answer
from service.errors import ModelNotFound, ModelNotReady
from service.models.live_model import LiveModel
from service.models.loader import ModelLoader
from service.models.package import Package, PackageRefused
from service.models.registry import State
from tests.service.models.damage import flip_bit
from tests.service.models.registries import answers, publish, started, states, write_aliases
from tests.service.packages import encode, picture


async def test_a_version_that_is_gone_is_forgotten(root: Path, loader: ModelLoader) -> None:
    """When it is swapped out, so that a server that lives for long remembers no more than there is."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        shutil.rmtree(root / "thirds" / "1")
        publish(root, 2)
        await registry.load("thirds")
        assert states(registry) == {2: State.READY}


async def test_a_condemned_version_answers_no_more(root: Path, loader: ModelLoader) -> None:
    """Its reason is there for all to see, and a load gives it another chance."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        await registry.condemn("thirds", 1, reason="it computes nonsense")
        await registry.condemn("thirds", 1, reason="again")
        entry = registry.find("thirds")
        assert (entry.state, entry.reason, entry.live) == (State.FAILED, "it computes nonsense", None)
        await registry.load("thirds")
        assert await answers(registry.resolve("thirds"))


async def test_a_new_version_is_loaded_beside_the_old_one(root: Path, loader: ModelLoader) -> None:
    """The old one answers until the new one does, then it is let go."""
    publish(root, 1)
    during: list[int] = []

    async def load(package: Package) -> LiveModel:
        if package.manifest.version == 2:
            during.append(registry.resolve("thirds").manifest.version)
        return await loader.load(package)

    async with started(root, load) as registry:
        publish(root, 2)
        await registry.load("thirds")
        assert during == [1]
        assert states(registry) == {1: State.UNLOADED, 2: State.READY}
        assert await answers(registry.resolve("thirds"))


async def test_a_bad_new_version_leaves_the_old_one_in_place(root: Path, loader: ModelLoader) -> None:
    """The refusal is told to who asked for it; who classifies notices nothing."""
    publish(root, 1)
    write_aliases(root, {"stable": 1})
    async with started(root, loader.load) as registry:
        publish(root, 2)
        flip_bit(root / "thirds" / "2" / "model.onnx")
        with pytest.raises(PackageRefused, match=r"thirds version 2 is refused.*model\.onnx"):
            await registry.load("thirds")
        assert states(registry) == {1: State.READY, 2: State.FAILED}
        assert await answers(registry.resolve("thirds"))


async def test_a_bad_new_version_does_not_take_an_unnamed_old_one_away(root: Path, loader: ModelLoader) -> None:
    """Without an alias too: a bad version is refused and the old one stays."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        publish(root, 2)
        flip_bit(root / "thirds" / "2" / "model.onnx")
        with pytest.raises(PackageRefused, match="version 2"):
            await registry.load("thirds")
        assert states(registry) == {1: State.READY, 2: State.FAILED}
        assert await answers(registry.resolve("thirds"))


async def test_aliases_are_read_again(root: Path, loader: ModelLoader) -> None:
    """Moving an alias moves the default and what the entries say of it."""
    publish(root, 1, 2)
    write_aliases(root, {"stable": 1})
    async with started(root, loader.load) as registry:
        write_aliases(root, {"stable": 2, "previous": 1})
        await registry.load("thirds")
        assert registry.resolve("thirds").manifest.version == 2
        assert [entry.aliases for entry in registry.entries()] == [("previous",), ("stable",)]
        assert states(registry) == {1: State.READY, 2: State.READY}


async def test_a_mended_version_is_loaded_on_request(root: Path, loader: ModelLoader) -> None:
    """What was refused once gets another chance."""
    publish(root, 1)
    flip_bit(root / "thirds" / "1" / "model.onnx")
    async with started(root, loader.load, require_all=False) as registry:
        shutil.rmtree(root / "thirds" / "1")
        publish(root, 1)
        await registry.load("thirds")
        entry = registry.find("thirds")
        assert (entry.state, entry.reason) == (State.READY, "")
        assert await answers(registry.resolve("thirds"))


async def test_an_unloaded_model_does_not_answer_until_it_is_loaded_again(root: Path, loader: ModelLoader) -> None:
    """And says that somebody asked for it."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        await registry.unload("thirds")
        assert "on request" in registry.find("thirds").reason
        with pytest.raises(ModelNotReady, match="unloaded"):
            registry.resolve("thirds")
        await registry.load("thirds")
        assert await answers(registry.resolve("thirds"))


async def test_a_version_that_is_let_go_answers_what_came_before(root: Path, loader: ModelLoader) -> None:
    """Requests whose images are still being decoded when the version is swapped out are answered, not refused."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        live = registry.resolve("thirds")
        accepted = [asyncio.create_task(live.classifier.classify(encode(picture(1)), top_k=1)) for _ in range(200)]
        batch = asyncio.create_task(live.classifier.classify_many([encode(picture(1))] * 100, top_k=1))
        await asyncio.sleep(0)
        await registry.unload("thirds")
        labels = {answer.classification.predictions[0].label for answer in await asyncio.gather(*accepted)}
        assert labels == {"middle"}
        assert all(isinstance(answer, Answer) for answer in (await batch).each())


@pytest.mark.parametrize("name", ["other", "../thirds", "thirds/1", ""])
async def test_only_models_of_the_repository_are_loaded_and_unloaded(
    root: Path, loader: ModelLoader, name: str
) -> None:
    """A name is looked up in the listing, never joined to a path first."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        with pytest.raises(ModelNotFound):
            await registry.load(name)
        with pytest.raises(ModelNotFound):
            await registry.unload(name)
        assert states(registry) == {1: State.READY}
