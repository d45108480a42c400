"""The registry: which version answers, what is refused and said about it, and how versions come and go."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.engine.answers import Answer
from service.errors import ArgumentInvalid, ModelNotFound, ModelNotReady, VersionNotFound
from service.models.live_model import LiveModel
from service.models.loader import ModelLoader
from service.models.manifest import GOLDEN_FILE, MANIFEST_FILE
from service.models.package import Package, PackageRefused
from service.models.registry import Entry, Registry, State
from service.models.repository import ALIASES_FILE, ModelRepository
from tests.service.models.damage import edit_manifest, flip_bit
from tests.service.packages import PackageRecipe, encode, golden, picture

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


async def test_the_only_version_of_the_only_model_answers(root: Path, loader: ModelLoader) -> None:
    """By its name, and without one too."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        (entry,) = registry.entries()
        assert (entry.name, entry.version, entry.state, entry.reason) == ("thirds", 1, State.READY, "")
        assert registry.find("thirds") is registry.find("") is entry
        live = registry.resolve("thirds")
        assert live is entry.live
        assert live.digest == entry.digest
        assert await answers(live)


async def test_the_watcher_is_told_of_every_step(root: Path, loader: ModelLoader) -> None:
    """Known, loading, ready, draining; the version that stays on disk is known and no more."""
    publish(root, 1, 2)
    watcher = Watcher()
    async with started(root, loader.load, watcher=watcher):
        pass
    assert watcher.told == [
        ("thirds", 1, State.UNLOADED),
        ("thirds", 2, State.UNLOADED),
        ("thirds", 2, State.LOADING),
        ("thirds", 2, State.READY),
        ("thirds", 2, State.DRAINING),
    ]


async def test_the_highest_version_answers_where_no_alias_says_otherwise(root: Path, loader: ModelLoader) -> None:
    """Ten is higher than nine; what was not selected says why it does not answer."""
    publish(root, 9, 10)
    async with started(root, loader.load) as registry:
        assert registry.find("thirds").version == 10
        unloaded = registry.find("thirds", version=9)
        assert (unloaded.state, unloaded.live) == (State.UNLOADED, None)
        assert "neither the highest" in unloaded.reason
        with pytest.raises(ModelNotReady, match=r"version 9.*unloaded"):
            registry.resolve("thirds", version=9)


async def test_the_alias_stable_is_the_default(root: Path, loader: ModelLoader) -> None:
    """The highest is there for those who name it, by number or by alias."""
    publish(root, 1, 2, 3)
    write_aliases(root, {"stable": 1, "canary": 3})
    async with started(root, loader.load) as registry:
        assert states(registry) == {1: State.READY, 2: State.UNLOADED, 3: State.READY}
        assert registry.resolve("thirds").manifest.version == 1
        assert registry.resolve("thirds", alias="canary").manifest.version == 3
        assert registry.resolve("thirds", version=3).manifest.version == 3
        assert [entry.aliases for entry in registry.entries()] == [("stable",), (), ("canary",)]


async def test_the_highest_ready_version_answers_while_the_highest_is_refused(root: Path, loader: ModelLoader) -> None:
    """A bad new version does not take the place of a good old one."""
    publish(root, 1, 2, 3)
    write_aliases(root, {"old": 1, "recent": 2})
    flip_bit(root / "thirds" / "3" / "model.onnx")
    async with started(root, loader.load, require_all=False) as registry:
        assert states(registry) == {1: State.READY, 2: State.READY, 3: State.FAILED}
        assert registry.resolve("thirds").manifest.version == 2
        with pytest.raises(ModelNotReady, match=r"version 3.*failed.*GetModel"):
            registry.resolve("thirds", version=3)


async def test_a_stable_version_that_was_refused_is_not_replaced_in_silence(root: Path, loader: ModelLoader) -> None:
    """Who set the alias wants that version and no other."""
    publish(root, 1, 2)
    write_aliases(root, {"stable": 1})
    flip_bit(root / "thirds" / "1" / "model.onnx")
    async with started(root, loader.load, require_all=False) as registry:
        with pytest.raises(ModelNotReady, match="version 1"):
            registry.resolve("thirds")
        assert await answers(registry.resolve("thirds", version=2))


@pytest.mark.parametrize(
    "name",
    [
        *("other", "THIRDS", "../thirds", "thirds/1", "thirds/../thirds", "./thirds", "/etc/passwd", "%2e%2e/thirds"),
        *("thirds\0", "thirds\n", "*", "x" * 100_000),
    ],
)
async def test_an_unknown_name_is_not_found(root: Path, loader: ModelLoader, name: str) -> None:
    """Names are keys and no paths; the message does not grow with what was sent."""
    publish(root, 1)
    async with started(root, loader.load) as registry:
        for find in (registry.find, registry.resolve):
            with pytest.raises(ModelNotFound, match="ListModels") as refusal:
                find(name)
            assert len(refusal.value.sentence) < 400


async def test_an_unknown_version_or_alias_is_not_found(root: Path, loader: ModelLoader) -> None:
    """The message lists the versions that there are."""
    publish(root, 1, 2)
    write_aliases(root, {"stable": 2})
    async with started(root, loader.load) as registry:
        for version in (0, 3, -1, 2**40):
            with pytest.raises(VersionNotFound, match=f"no version {version}; it has 1, 2"):
                registry.find("thirds", version=version)
        for alias in ("canary", "", "../stable"):
            with pytest.raises(VersionNotFound, match="no alias"):
                registry.find("thirds", alias=alias)


async def test_without_a_name_there_must_be_one_model(root: Path, loader: ModelLoader) -> None:
    """Two are two too many to guess."""
    publish(root, 1)
    publish(root, 1, name="halves")
    async with started(root, loader.load) as registry:
        assert [entry.name for entry in registry.entries()] == ["halves", "thirds"]
        with pytest.raises(ArgumentInvalid, match="there are 2"):
            registry.resolve("")
        assert registry.resolve("halves").manifest.name == "halves"


async def test_a_refused_version_stops_the_start_where_all_are_required(root: Path, loader: ModelLoader) -> None:
    """All refusals are named at once, with the way to start all the same."""
    publish(root, 1)
    publish(root, 1, name="halves")
    publish(root, 1, name="whole")
    flip_bit(root / "thirds" / "1" / "model.onnx")
    flip_bit(root / "halves" / "1" / GOLDEN_FILE)
    registry = Registry(ModelRepository(root), loader.load, watch=Watcher().watch)
    with pytest.raises(PackageRefused) as refusal:
        await registry.start()
    for words in ("halves version 1", GOLDEN_FILE, "thirds version 1", "model.onnx", "--no-require-all-models"):
        assert words in str(refusal.value)
    assert "whole" not in str(refusal.value)
    await registry.drain()


async def test_a_refused_version_is_listed_where_not_all_are_required(root: Path, loader: ModelLoader) -> None:
    """With its reason; the other models answer."""
    publish(root, 1)
    PackageRecipe(name="shifted", golden=golden(shift=0.5)).write(root)
    async with started(root, loader.load, require_all=False) as registry:
        shifted = registry.find("shifted")
        assert (shifted.state, shifted.live) == (State.FAILED, None)
        assert "disagree with training by 0.5" in shifted.reason
        assert shifted.manifest is not None
        with pytest.raises(ModelNotReady) as refusal:
            registry.resolve("shifted")
        assert "disagree" not in refusal.value.sentence
        assert await answers(registry.resolve("thirds"))


@pytest.mark.parametrize("damage", ["missing", "unknown field", "renamed", "garbage"])
async def test_a_package_whose_manifest_is_not_right_is_listed_as_failed(
    root: Path, loader: ModelLoader, damage: str
) -> None:
    """Without a manifest there is nothing to show but the reason."""
    publish(root, 1)
    directory = PackageRecipe(name="bad").write(root)
    if damage == "missing":
        for file in (MANIFEST_FILE, "model.onnx"):
            (directory / file).unlink()
    elif damage == "unknown field":
        edit_manifest(directory, lambda values: values.update(colour="red"))
    elif damage == "renamed":
        edit_manifest(directory, lambda values: values.update(name="good"))
    else:
        (directory / MANIFEST_FILE).write_bytes(b"\xff\0")
    async with started(root, loader.load, require_all=False) as registry:
        entry = registry.find("bad")
        assert (entry.state, entry.manifest, entry.digest) == (State.FAILED, None, "")
        assert f"bad/1/{MANIFEST_FILE}" in entry.reason
        assert str(root) not in entry.reason


async def test_a_repository_without_models_is_refused(root: Path, loader: ModelLoader) -> None:
    """A server that could answer nothing does not start."""
    registry = Registry(ModelRepository(root), loader.load, watch=Watcher().watch, require_all=False)
    with pytest.raises(PackageRefused, match="holds no model"):
        await registry.start()


async def test_while_it_loads_a_version_says_so(root: Path, loader: ModelLoader) -> None:
    """Requests are told to come back, and do not wait."""
    publish(root, 1)
    loading, gate = asyncio.Event(), asyncio.Event()

    async def slow(package: Package) -> LiveModel:
        loading.set()
        await gate.wait()
        return await loader.load(package)

    registry = Registry(ModelRepository(root), slow, watch=Watcher().watch)
    start = asyncio.create_task(registry.start())
    await loading.wait()
    with pytest.raises(ModelNotReady, match="loading"):
        registry.resolve("thirds")
    gate.set()
    await start
    assert await answers(registry.resolve("thirds"))
    await registry.drain()


async def test_broken_aliases_fail_their_model_and_no_other(root: Path, loader: ModelLoader) -> None:
    """Where not all are required the start goes on; which version was wanted nobody knows, so none answers."""
    publish(root, 1, 2)
    publish(root, 1, name="halves")
    (root / "thirds" / ALIASES_FILE).write_text("{")
    async with started(root, loader.load, require_all=False) as registry:
        assert [entry.state for entry in registry.entries()] == [State.READY, State.FAILED, State.FAILED]
        assert ALIASES_FILE in registry.find("thirds").reason
        assert await answers(registry.resolve("halves"))
        write_aliases(root, {"stable": 1})
        await registry.load("thirds")
        assert registry.resolve("thirds").manifest.version == 1
    (root / "thirds" / ALIASES_FILE).write_text("{")
    with pytest.raises(PackageRefused, match=ALIASES_FILE):
        await Registry(ModelRepository(root), loader.load, watch=Watcher().watch).start()


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
