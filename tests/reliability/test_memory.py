"""R17: memory does not grow with the requests; and the check is one that a service which leaks fails."""

import asyncio
import sys
from collections.abc import Awaitable
from contextlib import ExitStack
from pathlib import Path

from tests.integration.running_service import RunningService, running_service
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import channel_to, classify, closed_loop, codes_of
from tests.reliability.numbered import publish
from tests.reliability.observed import Holdings

MOST_KILOBYTES_PER_REQUEST = 64.0
"""Far above what an allocator and its threads hold back over a few hundred, far below what a leaking service keeps."""
MOST_OVER_MANY_REQUESTS = 1.6
LEAKING = """
from service.api import recogniser

kept = []
classify = recogniser.Recogniser.classify
async def leaking(self, *arguments, **options):
    kept.append(bytearray(2**18))
    return await classify(self, *arguments, **options)
recogniser.Recogniser.classify = leaking

from service.__main__ import main
main()
"""
COMMANDS = {"as it is": (sys.executable, "-m", "service"), "leaking": (sys.executable, "-c", LEAKING)}


async def kilobytes_per_request(service: RunningService, requests: int) -> float:
    """By how much the process grows with each request of the second half."""
    sizes_seen = []
    async with channel_to(service.target) as channel:
        for _ in range(2):
            outcomes = await closed_loop(
                lambda n: classify(channel, n), callers=8, until=lambda calls: calls >= requests // 2
            )
            assert set(codes_of(outcomes)) == {"OK"}
            sizes_seen.append(Holdings.of(service).megabytes)
    return (sizes_seen[1] - sizes_seen[0]) * 1024 / (requests // 2)


def starts(stack: ExitStack, models: Path) -> list[Awaitable[RunningService]]:
    """Of both, side by side; they end with the stack."""
    services = [running_service(models, "--threads", "1", command=command) for command in COMMANDS.values()]
    return [asyncio.to_thread(stack.enter_context, service) for service in services]


@sizes(Size(seconds=0, count=500), Size(seconds=0, count=40_000, strict=True))
async def test_memory_does_not_grow_and_a_leak_would_be_seen(tmp_path: Path, size: Size) -> None:
    """The same check for the service as it is, which passes, and for one that keeps 256 KiB a request, which fails."""
    publish(tmp_path, 1)
    growth = {}
    with ExitStack() as stack:
        for name, service in zip(COMMANDS, await asyncio.gather(*starts(stack, tmp_path)), strict=True):
            requests = size.count if name == "as it is" else min(size.count, 500)
            growth[name] = round(await kilobytes_per_request(service, requests), 3)
    record("R17 memory", size, kilobytes_per_request=growth)
    assert growth["as it is"] < (MOST_OVER_MANY_REQUESTS if size.strict else MOST_KILOBYTES_PER_REQUEST)
    assert growth["leaking"] > MOST_KILOBYTES_PER_REQUEST
