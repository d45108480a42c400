"""Golden samples go through live versions while they serve (service/models/golden_watch.py)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from service.engine.batcher import Batcher
from service.engine.session import Outputs, Session
from service.errors import (
    DecoderUnavailable,
    DeviceExhausted,
    InferenceFailed,
    QueueFull,
    ServiceError,
    ShuttingDown,
)
from service.models.golden_watch import GoldenCheck, GoldenWatch
from service.models.live_model import LiveModel
from service.models.loader import ModelLoader
from service.models.registry import Registry, State
from tests.service.models.registries import answers, publish, started


def failed_by(cause: ServiceError) -> InferenceFailed:
    """As the queue tells every failure of a session."""
    failure = InferenceFailed("It could not be computed.")
    failure.__cause__ = cause
    return failure


class Watched:
    """A registry with two models, what watches it, and what was said."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.checks: list[tuple[str, GoldenCheck, float]] = []
        self.alarms = 0
        self.watch = GoldenWatch(registry, seconds=0.01, tell=self._tell, alarm=self._alarm)

    def _tell(self, live: LiveModel, check: GoldenCheck, difference: float) -> None:
        self.checks.append((live.manifest.name, check, difference))

    async def _alarm(self) -> None:
        self.alarms += 1


@pytest.fixture
async def watched(root: Path, loader: ModelLoader) -> AsyncIterator[Watched]:
    publish(root, 1)
    publish(root, 1, name="halves")
    async with started(root, loader.load) as registry:
        yield Watched(registry)


async def test_what_agrees_with_training_goes_on(watched: Watched) -> None:
    """Each look takes the next sample; nobody is alarmed."""
    for _ in range(4):
        await watched.watch.look()
    assert [(name, check) for name, check, _ in watched.checks] == [
        ("halves", GoldenCheck.OK),
        ("thirds", GoldenCheck.OK),
    ] * 4
    assert max(difference for _, _, difference in watched.checks) < 1e-3
    assert watched.alarms == 0


@pytest.mark.parametrize(("error", "check"), [(0.1, GoldenCheck.MISMATCH), (float("nan"), GoldenCheck.MISMATCH)])
async def test_a_device_that_computes_something_else_is_noticed(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, error: float, check: GoldenCheck
) -> None:
    """The version answers no more, says why, and the alarm is given; other models were not asked about."""
    run = Session.run

    def wrong(session: Session, images: Any) -> Outputs:
        outputs = run(session, images)
        return Outputs(logits=outputs.logits + np.float32(error), embeddings=outputs.embeddings)

    monkeypatch.setattr(Session, "run", wrong)
    with capture_logs() as logs:
        await watched.watch.look()
    assert [one for _, one, _ in watched.checks] == [check] * 2
    assert watched.alarms == 2
    entry = watched.registry.find("thirds")
    assert (entry.state, entry.live) == (State.FAILED, None)
    assert "not what was trained" in entry.reason
    assert [line["event"] for line in logs] == ["golden check failed"] * 2
    await watched.watch.look()
    assert len(watched.checks) == 2


async def test_a_sample_that_cannot_be_computed_is_a_failure(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device answers with an error where it answered at the load."""

    def broken(session: Session, images: Any) -> Outputs:
        raise RuntimeError("the node failed")

    monkeypatch.setattr(Session, "run", broken)
    await watched.watch.look()
    assert [check for _, check, _ in watched.checks] == [GoldenCheck.FAILED] * 2
    assert watched.registry.find("thirds").state is State.FAILED


@pytest.mark.parametrize(
    "error",
    [
        QueueFull("full", retry_seconds=1.0),
        ShuttingDown("replaced"),
        DecoderUnavailable("none could be started"),
        failed_by(DeviceExhausted("no memory")),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_says_nothing_of_the_version_is_no_mismatch(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, error: ServiceError
) -> None:
    """The check is left out, and the model goes on."""

    async def refused(batcher: Batcher, tensor: Any, **options: Any) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Batcher, "submit", refused)
        await watched.watch.look()
    assert [check for _, check, _ in watched.checks] == [GoldenCheck.SKIPPED] * 2
    assert watched.alarms == 0
    assert await answers(watched.registry.resolve("thirds"))


async def test_a_batch_that_hangs_holds_up_no_other_check(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is given up after its time, and who waited for it is gone."""

    async def hangs(batcher: Batcher, tensor: Any, **options: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Batcher, "submit", hangs)
    monkeypatch.setattr(watched.watch, "_longest_seconds", 0.01)
    async with asyncio.timeout(60):
        await watched.watch.look()
    assert [check for _, check, _ in watched.checks] == [GoldenCheck.SKIPPED] * 2
    assert watched.alarms == 0
