"""R10, R11: clients that send slowly, and clients that die. Others notice nothing, and nothing of them stays behind."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator

from tests.integration.running_service import ROOT, RunningService
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import channel_to, classify, closed_loop, codes_of
from tests.reliability.observed import Holdings, adds_up, until_at_rest
from tests.reliability.raw_client import OPENING, call_bytes


async def throughput(service: RunningService, *, seconds: float) -> float:
    """Answers a second of a normal client; every call must be answered."""
    async with channel_to(service.target) as channel:
        end = time.monotonic() + seconds
        outcomes = await closed_loop(
            lambda n: classify(channel, n), callers=4, until=lambda calls: calls >= 4 and time.monotonic() > end
        )
    assert set(codes_of(outcomes)) == {"OK"}
    return len(outcomes) / seconds


@contextlib.asynccontextmanager
async def slow_clients(service: RunningService, count: int) -> AsyncIterator[None]:
    """So many connections that each send a call at one byte a second, and begin anew when they are thrown out."""

    async def trickle(number: int) -> None:
        while True:
            _, connection = await asyncio.open_connection("127.0.0.1", service.grpc_port)
            with contextlib.closing(connection), contextlib.suppress(OSError):
                connection.write(OPENING)
                for byte in call_bytes(service.grpc_port, number):
                    connection.write(bytes([byte]))
                    await connection.drain()
                    await asyncio.sleep(1.0)

    tasks = [asyncio.create_task(trickle(number)) for number in range(count)]
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_back(service: RunningService, before: Holdings, *, within: float) -> Holdings:
    """What the service holds when it has let go of its clients, or when the time is up."""
    end = time.monotonic() + within
    while True:
        now = Holdings.of(service)
        if (now.descriptors <= before.descriptors + 5 and now.threads <= before.threads + 2) or time.monotonic() > end:
            return now
        await asyncio.sleep(0.1)


@sizes(Size(seconds=0.2, count=40), Size(seconds=10, count=200, strict=True))
async def test_slow_clients_take_nothing_from_others(service: RunningService, size: Size) -> None:
    """200 connections at a byte a second, in turns with none: a normal client keeps 90 % of its throughput."""
    await throughput(service, seconds=size.seconds)
    before = Holdings.of(service)
    alone, beside = [], []
    for _ in range(3):
        alone.append(await throughput(service, seconds=size.seconds))
        async with slow_clients(service, size.count):
            beside.append(await throughput(service, seconds=size.seconds))
    after = await until_back(service, before, within=30)
    share = sorted(beside)[1] / sorted(alone)[1]
    record("R10 slow clients", size, connections=size.count, share=round(share, 3), before=before, after=after)
    assert after.descriptors <= before.descriptors + 5
    assert after.threads <= before.threads + 2
    if size.strict:
        assert share >= 0.90
        assert after.megabytes <= before.megabytes + 50


@sizes(Size(seconds=1, count=30), Size(seconds=20, count=1000, strict=True))
async def test_clients_that_are_killed_leave_nothing_behind(service: RunningService, size: Size) -> None:
    """1,000 SIGKILLs in the middle of calls: nothing in flight, and everything as before, throughput included."""
    alone = await throughput(service, seconds=size.seconds)
    before = Holdings.of(service)
    command = [sys.executable, "-m", "tests.reliability.raw_client", str(service.grpc_port), str(size.count)]
    killed = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    assert await killed.wait() == 0
    rest = await asyncio.to_thread(until_at_rest, service, within=30)
    after = await until_back(service, before, within=30)
    share = await throughput(service, seconds=size.seconds) / alone
    record(
        "R11 killed clients",
        size,
        killed=size.count,
        seconds_until_at_rest=round(rest, 2),
        share_afterwards=round(share, 3),
        before=before,
        after=after,
    )
    assert after.descriptors <= before.descriptors + 5
    assert after.threads <= before.threads + 2
    assert adds_up(service)
    if size.strict:
        assert rest <= 5
        assert share >= 0.90
        assert after.megabytes <= before.megabytes + 50
