"""R5, R14: the process is told to end, or its device fails, while requests flow."""

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.running_service import ROOT, running_service
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import Outcome, channel_to, classify
from tests.reliability.numbered import publish
from tests.reliability.observed import assert_log_is_json

CALLERS = 8
LOST_WHEN_THE_FILE_IS_THERE = """
import sys
from pathlib import Path
from service.engine.session import Session

run = Session.run
def fails(session, images):
    if Path({marker!r}).exists():
        raise RuntimeError("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaEventRecord")
    return run(session, images)
Session.run = fails

from service.__main__ import main
main()
"""


async def flow_until_refused(target: str, ready: asyncio.Event) -> list[Outcome]:
    """Callers that ask without a pause; each ends with the first call that is not answered."""
    outcomes: list[Outcome] = []

    async def caller() -> None:
        async with channel_to(target) as channel:
            for number in range(1_000_000):
                outcomes.append(await classify(channel, number))
                if len(outcomes) >= 40:
                    ready.set()
                if outcomes[-1].code != "OK":
                    return

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return outcomes


@sizes(Size(seconds=0, count=1), Size(seconds=0, count=50, strict=True))
async def test_no_accepted_request_is_lost_when_a_signal_comes(tmp_path: Path, size: Size) -> None:
    """50 SIGTERMs under load: what was accepted is answered, what was not is told so, and the exit code is 0."""
    publish(tmp_path, 1)
    answered = lost = 0
    for _ in range(size.count):
        with running_service(tmp_path, "--drain-seconds", "0.3", "--threads", "1") as service:
            ready = asyncio.Event()
            flowing = asyncio.create_task(flow_until_refused(service.target, ready))
            await asyncio.wait_for(ready.wait(), 60)
            service.terminate()
            code = await asyncio.to_thread(service.wait)
            outcomes = await flowing
        last = json.loads(service.log[-1])
        right = sum(outcome.code == "OK" for outcome in outcomes)
        answered += right
        lost += sum(outcome.code not in {"OK", "UNAVAILABLE"} for outcome in outcomes)
        lost += abs(int(last["answered"]) - right)
        assert (code, last["event"]) == (0, "stopped")
        assert_log_is_json(service)
    record("R5 SIGTERM", size, signals=size.count, answered=answered, lost=lost)
    assert lost == 0


async def test_a_lost_device_ends_the_process(tmp_path: Path) -> None:
    """With the runtime's own words, from a CPU: calls end as UNAVAILABLE, the exit code is 1, nobody waits for a drain.

    A machine that does nothing else needs less than 5 seconds.
    """
    marker = tmp_path / "lost"
    models = tmp_path / "models"
    publish(models, 1)
    script = LOST_WHEN_THE_FILE_IS_THERE.format(marker=str(marker))
    with running_service(models, "--drain-seconds", "600", command=(sys.executable, "-c", script)) as service:
        ready = asyncio.Event()
        flowing = asyncio.create_task(flow_until_refused(service.target, ready))
        await asyncio.wait_for(ready.wait(), 60)
        began = time.monotonic()
        marker.write_text("")
        code = await asyncio.to_thread(service.wait)
        seconds = time.monotonic() - began
        outcomes = await flowing
    ends = {outcome.code for outcome in outcomes if outcome.code != "OK"}
    record("R14 device lost", Size(seconds=0, count=1), exit_code=code, seconds=round(seconds, 2), ends=sorted(ends))
    assert code == 1
    assert ends == {"UNAVAILABLE"}
    assert seconds < 60
    assert "CUDA failure 700" in service.log[-1]


def test_a_missing_device_stops_the_start(tmp_path: Path) -> None:
    """Asked for CUDA where there is none, the service does not serve from the CPU in silence: one line, exit code 1."""
    publish(tmp_path, 1)
    ports = ("--grpc-port", "0", "--metrics-port", "0", "--no-http")
    done = subprocess.run(
        [sys.executable, "-m", "service", "--models", str(tmp_path), "--device", "cuda", *ports],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "CUDA was asked for" in done.stderr.splitlines()[-1]
