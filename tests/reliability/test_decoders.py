"""R12: processes that decode images are killed again and again, and cost no more than the image they were at."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from service.readiness import LOOK_SECONDS
from tests.integration.running_service import RunningService, running_service
from tests.reliability.figures import Size, record
from tests.reliability.load import channel_to, classify, closed_loop, codes_of, seconds_of
from tests.reliability.numbered import publish
from tests.reliability.observed import Holdings, adds_up
from tests.reliability.versions import Versions

OPTIONS = ("--decode-isolation", "process", "--decode-threads", "2", "--threads", "1")


def decoders_of(service: RunningService) -> list[psutil.Process]:
    """Those that are there now, at work or not; the service has no other children."""
    children = psutil.Process(service.process.pid).children()
    return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]


async def kill_each_second(service: RunningService, done: Callable[[], bool]) -> int:
    """Gives how many were killed."""
    killed = 0
    while not done():
        await asyncio.sleep(1.0)
        if decoders := decoders_of(service):
            random.choice(decoders).kill()
            killed += 1
    return killed


@pytest.mark.long
async def test_a_kill_each_second_fails_at_most_the_image_at_hand(tmp_path: Path) -> None:
    """Five minutes of calls, four at a time: at the very most as many failures as kills, right answers, nothing left.

    As many calls as the machine has time for, since to start a decoder each second takes much of a small one.
    """
    size = Size(seconds=300, count=1, strict=True)
    publish(tmp_path, 1)
    versions = Versions(root=tmp_path)
    versions.know()
    with running_service(tmp_path, *OPTIONS) as service:
        async with channel_to(service.target) as channel:
            await closed_loop(lambda n: classify(channel, n), callers=4, until=lambda calls: calls >= 400)
            before, end = Holdings.of(service), time.monotonic() + size.seconds
            flowing = asyncio.create_task(
                closed_loop(lambda n: classify(channel, n), callers=4, until=lambda _: time.monotonic() > end)
            )
            killed = await kill_each_second(service, flowing.done)
            outcomes = await flowing
            await asyncio.sleep(LOOK_SECONDS * 3)  # who was not ready for want of decoders is again
        events = Counter(json.loads(line)["event"] for line in service.log)
        versions.check(outcomes)
        failed = sum(one.code != "OK" for one in outcomes)
        after = Holdings.of(service)
        record(
            "R12 killed decoders",
            size,
            killed=killed,
            codes=codes_of(outcomes),
            p99_ms=round(1e3 * seconds_of(outcomes, percentile=99), 1),
            slowest_ms=round(1e3 * seconds_of(outcomes, percentile=100), 1),
            times_not_ready=events["not ready"],
            before=before,
            after=after,
        )
        assert killed > 0
        assert events["not ready"] == events["ready again"]
        assert failed <= killed
        assert adds_up(service)
        assert after.descriptors <= before.descriptors + 5
        service.terminate()
        assert service.wait() == 0
