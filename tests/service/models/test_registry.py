"""The registry at its start: which version answers, what is refused and said about it."""

import asyncio
from pathlib import Path

import pytest

from service.errors import ArgumentInvalid, ModelNotFound, ModelNotReady, VersionNotFound
from service.models.live_model import LiveModel
from service.models.loader import ModelLoader
from service.models.manifest import GOLDEN_FILE, MANIFEST_FILE
from service.models.package import Package, PackageRefused
from service.models.registry import Registry, State
from service.models.repository import ALIASES_FILE, ModelRepository
from tests.service.models.damage import edit_manifest, flip_bit
from tests.service.models.registries import Watcher, answers, publish, started, states, write_aliases
from tests.service.packages import PackageRecipe, golden


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
