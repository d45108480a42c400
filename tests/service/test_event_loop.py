"""The event loop: the one that the settings ask for, or a refusal before anything is started."""

import asyncio
import gc
import importlib.util

import pytest
import uvloop

from service.event_loop import NEW_OBJECTS, EventLoop, EventLoopUnavailable, run


async def note_loop(seen: list[type]) -> None:
    seen.append(type(asyncio.get_running_loop()))


@pytest.mark.parametrize("choice", EventLoop)
def test_the_chosen_loop_runs(choice: EventLoop) -> None:
    """On auto it is uvloop here, where it is installed."""
    seen: list[type] = []
    run(note_loop(seen), choice)
    assert issubclass(seen[0], uvloop.Loop) is (choice is not EventLoop.ASYNCIO)
    assert gc.get_threshold()[0] == NEW_OBJECTS


def test_without_uvloop_auto_takes_asyncios_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no uvloop, and the service runs there too."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    seen: list[type] = []
    run(note_loop(seen), EventLoop.AUTO)
    assert not issubclass(seen[0], uvloop.Loop)


def test_uvloop_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do, and before the service begins."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    seen: list[type] = []
    with pytest.raises(EventLoopUnavailable, match="pip install uvloop"):
        run(note_loop(seen), EventLoop.UVLOOP)
    assert seen == []
