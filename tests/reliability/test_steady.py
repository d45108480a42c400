"""R1, R16: a load that the service can bear, for long; and its first calls, which are as quick as the later ones."""

import time
from pathlib import Path

from tests.integration.running_service import RunningService, running_service
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import Outcome, at_rate, channel_to, classify, closed_loop, codes_of, seconds_of
from tests.reliability.numbered import publish
from tests.reliability.observed import Holdings, adds_up

FIRST = 100
WORK = 17_000
"""Makes an image cost ten milliseconds, as with a real model."""
OPTIONS = ("--threads", "1", "--decode-threads", "1", "--max-batch-size", "4")
FEW = 5000
"""The same for milliseconds."""


@sizes(Size(seconds=1, count=1), Size(seconds=600, count=10_000, strict=True))
async def test_a_load_is_held(service: RunningService, tmp_path: Path, size: Size) -> None:
    """0.8 of the capacity for ten minutes: 99.99 % answered, in the end as quick and as small as at the beginning.

    In the long form computing is what is short: where it is the calls' own cost, who sends them takes it from the
    service.
    """
    if not size.strict:
        await held_load(service, size)
        return
    publish(tmp_path, 1, work=WORK)
    with running_service(tmp_path, *OPTIONS) as working:
        await held_load(working, size)


async def held_load(service: RunningService, size: Size) -> None:
    async with channel_to(service.target) as channel:
        seconds = max(1.0, size.seconds / 60)
        began = time.monotonic()
        end = began + seconds
        full = await closed_loop(lambda n: classify(channel, n), callers=8, until=lambda _: time.monotonic() > end)
        rate = 0.8 * len(full) / (time.monotonic() - began)
        before = Holdings.of(service)
        halves = [await at_rate(lambda n: classify(channel, n), rate=rate, seconds=size.seconds / 2) for _ in range(2)]
    after = Holdings.of(service)
    outcomes = [one for half in halves for one in half]
    answered = codes_of(outcomes)["OK"] / len(outcomes)
    first, second = (seconds_of(half, percentile=99) for half in halves)
    record(
        "R1 load held",
        size,
        requests=len(outcomes),
        rate=round(rate, 1),
        codes=codes_of(outcomes),
        p99_ms=[round(1e3 * first, 1), round(1e3 * second, 1)],
        before=before,
        after=after,
    )
    assert len(outcomes) >= size.count
    assert answered >= 0.9999
    assert adds_up(service)
    if size.strict:
        assert second <= 2 * first
        assert after.megabytes <= before.megabytes + 32


@sizes(Size(seconds=0, count=1), Size(seconds=0, count=20, strict=True))
async def test_the_first_calls_are_as_quick_as_the_later_ones(tmp_path: Path, size: Size) -> None:
    """What READY promises: every batch size has been run before. 20 starts, each with a hundred first calls."""
    publish(tmp_path, 1, work=FEW)
    first: list[Outcome] = []
    later: list[Outcome] = []
    more = 3 * FIRST if size.strict else FIRST
    for _ in range(size.count):
        with running_service(tmp_path, "--threads", "1", "--max-batch-size", "8") as service:
            async with channel_to(service.target) as channel:
                await channel.channel_ready()
                first += await closed_loop(lambda n: classify(channel, n), callers=2, until=lambda n: n >= FIRST)
                later += await closed_loop(lambda n: classify(channel, n), callers=2, until=lambda n: n >= more)
    ratio = seconds_of(first, percentile=99) / seconds_of(later, percentile=99)
    record(
        "R16 first calls",
        size,
        starts=size.count,
        codes=codes_of(first + later),
        p99_ms_of_the_first_100=round(1e3 * seconds_of(first, percentile=99), 1),
        p99_ms_of_later_ones=round(1e3 * seconds_of(later, percentile=99), 1),
        ratio=round(ratio, 2),
    )
    assert set(codes_of(first + later)) == {"OK"}
    if size.strict:
        assert ratio <= 1.2
