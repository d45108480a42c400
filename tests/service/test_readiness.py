"""A server that cannot do its work says so until it can (service/readiness.py)."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from service import readiness
from service.api.health import Health
from service.engine.batcher import Batcher
from service.readiness import Readiness
from tests.service.in_process import serving


async def test_trouble_is_told_while_it_lasts() -> None:
    """What is seen once only is believed no more than a blink of the eye is."""
    health, said = Health(), ["", "A thread hangs.", "", "A thread hangs.", "A thread hangs.", "It still hangs.", ""]
    await health.announce_ready()
    answers = iter(said)
    looking = Readiness(health, [lambda: "", lambda: next(answers)])
    seen = []
    with capture_logs() as logs:
        for _ in said:
            await looking.look()
            seen.append(health.ready)
    assert seen == [True, True, True, True, False, False, True]
    assert [(line["event"], line.get("reason")) for line in logs] == [
        ("not ready", "A thread hangs."),
        ("ready again", None),
    ]


async def test_what_is_for_good_is_not_made_good_by_the_end_of_a_trouble() -> None:
    """Nor is a server ready before it has loaded its models."""
    health = Health()
    await health.announce_trouble(over=True)
    assert not health.ready
    await health.announce_ready()
    await health.announce_fault()
    await health.announce_trouble(over=True)
    assert not health.ready


async def test_a_batch_that_hangs_takes_the_server_out_of_service(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness goes with the name of the model, and comes back with its answer."""
    monkeypatch.setattr(readiness, "LOOK_SECONDS", 0.02)
    async with serving(models) as service:
        assert await service.health() == "SERVING"
        with monkeypatch.context() as patch:
            patch.setattr(Batcher, "hanging_seconds", 77.0)
            await service.until_health("NOT_SERVING")
        await service.until_health("SERVING")
        (event,) = service.events("not ready")
        assert event["reason"] == "A batch of thirds version 1 has been running for 77 s."
