"""R3: nothing is computed for a caller whose deadline has passed, and calls without one get the server's."""

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from service.engine.batch_queue import BatchQueue
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import at_rate, channel_to, classify, closed_loop, codes_of
from tests.reliability.numbered import publish
from tests.service.in_process import serving, until

WORK = 5000
"""Makes an image cost milliseconds, as with a real model."""
SLACK_SECONDS = 0.005
"""For a machine that takes the processor away between the batcher's look at the clock and ours."""
SLACK_OF_A_BUSY_MACHINE = 0.25


class Starts:
    """Looks over the batcher's shoulder when a batch is begun: how many images, and how many too late.

    By the time that the batcher saw on the clock when it decided, and by the clock when it begins.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, slack: float = SLACK_SECONDS) -> None:
        self.images = 0
        self.late = 0
        self.without_deadline = 0
        start = BatchQueue._start

        def watched(batcher: BatchQueue[Any, Any], step: Any, now: float) -> bool:
            batch = step.items
            self.images += len(batch)
            due = [item.deadline for item in batch if item.deadline is not None]
            self.late += sum(deadline < now or deadline < time.monotonic() - slack for deadline in due)
            self.without_deadline += len(batch) - len(due)
            return start(batcher, step, now)

        monkeypatch.setattr(BatchQueue, "_start", watched)


@sizes(Size(seconds=2, count=300), Size(seconds=60, count=5000, strict=True))
async def test_nothing_is_begun_after_its_deadline(tmp_path: Path, size: Size, monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 requests with deadlines of 1 to 50 ms at twice the capacity: 0 begun too late, in the server's own eyes."""
    publish(tmp_path, 1, work=WORK)
    starts = Starts(monkeypatch, slack=SLACK_SECONDS if size.strict else SLACK_OF_A_BUSY_MACHINE)
    async with serving(tmp_path, max_batch_size=4, max_queue_images=64) as service:
        async with channel_to(f"127.0.0.1:{service.grpc_port}") as channel:
            began = time.monotonic()
            full = await closed_loop(
                lambda n: classify(channel, n),
                callers=8,
                until=lambda calls: calls >= 8 and time.monotonic() > began + size.seconds / 4,
            )
            starts.images = 0
            rate = 2 * sum(one.code == "OK" for one in full) / (time.monotonic() - began)
            outcomes = await at_rate(
                lambda n: classify(channel, n, within=random.uniform(0.001, 0.050)),
                rate=rate,
                seconds=size.count / rate,
            )
        await until(lambda: service.inside == 0)
        codes = codes_of(outcomes)
        record("R3 deadlines", size, requests=len(outcomes), codes=codes, begun=starts.images, begun_late=starts.late)
        assert starts.late == 0
        assert set(codes) <= {"OK", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED"}
        assert service.sum("recognition_received_total") == service.sum("recognition_ended_total")


async def test_calls_without_a_deadline_get_the_server_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No image waits for ever."""
    publish(tmp_path, 1)
    starts = Starts(monkeypatch)
    async with serving(tmp_path, default_deadline_seconds=5.0) as service:
        async with channel_to(f"127.0.0.1:{service.grpc_port}") as channel:
            outcomes = await asyncio.gather(*(classify(channel, number) for number in range(20)))
        assert set(codes_of(outcomes)) == {"OK"}
    assert (starts.images, starts.without_deadline) == (20, 0)
