"""R21: the wall clock of the service is set while requests flow, an hour and a day ahead and back."""

import asyncio
import json
import mmap
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.running_service import running_service
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import channel_to, classify, closed_loop, codes_of
from tests.reliability.numbered import publish
from tests.reliability.observed import adds_up, samples_of

HOUR, DAY = 3600, 86_400
JUMPS = (HOUR, -HOUR, DAY, -DAY, 0)
SOURCE = Path(__file__).with_name("wall_clock.c")
COMPILER = shutil.which("cc")


@contextmanager
def wall_clock(directory: Path) -> Iterator[tuple[list[str], Callable[[int], None]]]:
    """What to begin a command with so that its wall clock can be set, and what sets it: seconds off the true time."""
    library, file = directory / "wall_clock.so", directory / "seconds"
    assert COMPILER is not None
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    file.write_bytes(bytes(8))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 8) as memory:
        yield (
            ["env", f"LD_PRELOAD={library}", f"WALL_CLOCK_FILE={file}"],
            lambda seconds: memory.__setitem__(slice(0, 8), struct.pack("q", seconds)),
        )


@pytest.mark.skipif(COMPILER is None, reason="needs a C compiler to put a clock before that of the system")
@sizes(Size(seconds=0.1, count=1), Size(seconds=2.0, count=10, strict=True))
async def test_a_clock_that_is_set_disturbs_nobody(tmp_path: Path, size: Size) -> None:
    """Every call is answered well within its deadline, no time is negative, and readiness and golden checks stay."""
    publish(tmp_path / "models", 1)
    options = ("--threads", "1", "--golden-seconds", "1", "--reload-seconds", "0.2", "--drain-seconds", "0")
    with wall_clock(tmp_path) as (before, set_clock):
        command = (*before, sys.executable, "-m", "service")
        with running_service(tmp_path / "models", *options, command=command) as service:
            async with channel_to(service.target) as channel:

                async def jump() -> None:
                    for _ in range(size.count):
                        for seconds in JUMPS:
                            set_clock(seconds)
                            await asyncio.sleep(size.seconds)

                jumping = asyncio.create_task(jump())
                outcomes = await closed_loop(
                    lambda n: classify(channel, n, within=30), callers=4, until=lambda _: jumping.done()
                )
                await jumping
                set_clock(DAY)
                outcomes.append(await classify(channel, 0, within=30))
            samples = await asyncio.to_thread(samples_of, service)
            assert adds_up(service)
            service.terminate()
            assert service.wait() == 0
    seen = {datetime.fromisoformat(json.loads(line)["timestamp"]).date() for line in service.log}
    times = [one for one in samples if one.name.endswith("_seconds_sum")]
    record(
        "R21 clock jumps",
        size,
        jumps=len(JUMPS) * size.count,
        requests=len(outcomes),
        codes=codes_of(outcomes),
        slowest_seconds=round(max(one.seconds for one in outcomes), 2),
    )
    assert set(codes_of(outcomes)) == {"OK"}
    assert len(seen) > 1, "the clock of the service was not set"
    assert times
    assert all(0 <= one.value < HOUR for one in times)
    assert all(
        one.value == 0 for one in samples if one.name == "recognition_golden_checks_total" and "fail" in str(one)
    )
