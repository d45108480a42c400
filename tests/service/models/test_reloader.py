"""The repository is followed (service/models/reloader.py): changes are taken up while requests are answered."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service.models.loader import ModelLoader
from service.models.registry import Registry, State
from service.models.reloader import Reload, Reloader
from service.models.repository import ALIASES_FILE, ModelRepository
from tests.service.models.damage import flip_bit
from tests.service.models.registries import Watcher, publish, states, write_aliases


class Followed:
    """A registry that is started, what follows its repository, and how each change ended."""

    def __init__(self, root: Path, loader: ModelLoader, *, seconds: float = 0.0) -> None:
        self.ends: list[Reload] = []
        repository = ModelRepository(root)
        self.registry = Registry(repository, loader.load, watch=Watcher().watch, require_all=False)
        self.reloader = Reloader(repository, self.registry, seconds=seconds, tell=self.ends.append)

    async def look(self) -> dict[int, State]:
        """The states after one look."""
        await self.reloader.look()
        return states(self.registry)


@contextmanager
def away(root: Path, *, empty: bool = False) -> Iterator[None]:
    """The repository is not there, or there is an empty directory in its place."""
    elsewhere = root.rename(root.with_name("elsewhere"))
    if empty:
        root.mkdir()
    yield
    if empty:
        root.rmdir()
    elsewhere.rename(root)


@pytest.fixture
async def followed(root: Path, loader: ModelLoader) -> AsyncIterator[Followed]:
    publish(root, 1)
    followed = Followed(root, loader)
    await followed.reloader.prime()
    await followed.registry.start()
    yield followed
    await followed.registry.drain()


async def test_nothing_happens_where_nothing_changed(followed: Followed) -> None:
    """However often it looks."""
    live = followed.registry.resolve("thirds")
    for _ in range(3):
        assert await followed.look() == {1: State.READY}
    assert followed.registry.resolve("thirds") is live
    assert followed.ends == []


async def test_a_new_version_takes_the_place_of_the_old_one(followed: Followed, root: Path) -> None:
    """And the old one is released."""
    publish(root, 2)
    assert await followed.look() == {1: State.UNLOADED, 2: State.READY}
    assert followed.registry.resolve("thirds").manifest.version == 2
    assert followed.ends == [Reload.DONE]


async def test_a_refused_version_is_tried_again_when_its_files_change(followed: Followed, root: Path) -> None:
    """And not before: nobody is helped by the same refusal every few seconds."""
    publish(root, 2)
    flip_bit(root / "thirds" / "2" / "model.onnx")
    assert await followed.look() == {1: State.READY, 2: State.FAILED}
    assert await followed.look() == {1: State.READY, 2: State.FAILED}
    assert followed.ends == [Reload.REFUSED]
    flip_bit(root / "thirds" / "2" / "model.onnx")
    assert await followed.look() == {1: State.UNLOADED, 2: State.READY}
    assert followed.ends == [Reload.REFUSED, Reload.DONE]


async def test_an_alias_stays_where_it_led_while_the_new_version_is_refused(followed: Followed, root: Path) -> None:
    """`stable` moved to a bad version goes on answering with the good one."""
    write_aliases(root, {"stable": 1})
    await followed.look()
    publish(root, 2)
    flip_bit(root / "thirds" / "2" / "model.onnx")
    write_aliases(root, {"stable": 2})
    assert await followed.look() == {1: State.READY, 2: State.FAILED}
    assert followed.registry.resolve("thirds").manifest.version == 1
    assert followed.registry.find("thirds", alias="stable").aliases == ("stable",)


async def test_a_first_alias_to_a_refused_version_is_not_taken_up(followed: Followed, root: Path) -> None:
    """What answered by default goes on."""
    publish(root, 2)
    flip_bit(root / "thirds" / "2" / "model.onnx")
    write_aliases(root, {"stable": 2})
    await followed.look()
    assert followed.registry.resolve("thirds").manifest.version == 1


@pytest.mark.parametrize("content", ["{", '{"stable": 9}', '{"stable": "one"}'])
async def test_broken_aliases_change_nothing(followed: Followed, root: Path, content: str) -> None:
    """The old ones stay in force, and the mended file is taken up."""
    write_aliases(root, {"stable": 1})
    await followed.look()
    (root / "thirds" / ALIASES_FILE).write_text(content)
    with capture_logs() as logs:
        assert await followed.look() == {1: State.READY}
    assert [(line["event"], ALIASES_FILE in line["reason"]) for line in logs] == [("reload refused", True)]
    assert followed.registry.resolve("thirds", alias="stable").manifest.version == 1
    write_aliases(root, {"canary": 1})
    await followed.look()
    assert followed.registry.resolve("thirds", alias="canary").manifest.version == 1


async def test_a_new_model_is_taken_up_and_one_that_is_gone_is_released(followed: Followed, root: Path) -> None:
    """While the other answers."""
    publish(root, 1, name="halves")
    await followed.look()
    assert followed.registry.resolve("halves").manifest.name == "halves"
    shutil.rmtree(root / "thirds")
    await followed.look()
    gone = followed.registry.find("thirds")
    assert (gone.state, gone.live) == (State.UNLOADED, None)
    assert "no longer" in gone.reason
    publish(root, 1)
    await followed.look()
    assert followed.registry.resolve("thirds").manifest.version == 1


async def test_a_repository_that_cannot_be_read_changes_nothing(followed: Followed, root: Path) -> None:
    """As when a volume is away: all goes on answering, it is said once, and the return is noticed."""
    with capture_logs() as logs:
        with away(root):
            assert await followed.look() == {1: State.READY}
            assert await followed.look() == {1: State.READY}
        with away(root, empty=True):
            assert await followed.look() == {1: State.READY}
    assert [line["event"] for line in logs] == ["repository cannot be read; what answers goes on"]
    publish(root, 2)
    assert await followed.look() == {1: State.UNLOADED, 2: State.READY}


async def test_it_looks_every_few_seconds_and_when_asked(root: Path, loader: ModelLoader) -> None:
    """Being asked gives what was refused another chance."""
    publish(root, 1)
    (root / "thirds" / ALIASES_FILE).write_text(json.dumps({"stable": 1}))
    for seconds in (0.02, 0.0):
        followed = Followed(root, loader, seconds=seconds)
        await followed.registry.start()
        work = asyncio.create_task(followed.reloader.run())
        if not seconds:
            await asyncio.sleep(0.1)
            assert followed.ends == []
            followed.reloader.ask()
        async with asyncio.timeout(60):
            while not followed.ends:  # noqa: ASYNC110 - the reloader announces nothing else
                await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.wait({work})
        await followed.registry.drain()
