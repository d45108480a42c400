"""R2, R26: far more comes in than can be computed. What can be is computed, the rest is refused at once, and the probes
answer all the while.
"""

import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.integration.running_service import RunningService, running_service
from tests.reliability.figures import Size, record, sizes
from tests.reliability.load import at_rate, closed_loop, codes_of, seconds_of
from tests.reliability.numbered import publish
from tests.reliability.observed import Holdings, adds_up, samples_of, until_at_rest
from tests.reliability.raw_load import RawLoad, raw_load

WORK = 17_000
"""Makes an image cost ten milliseconds, so that computing is what is short, as with a real model."""
OPTIONS = ("--threads", "1", "--decode-threads", "1", "--max-batch-size", "4", "--max-queue-images", "16")
FACTORS = (2, 5)
"""The short test has the last of them."""
CONNECTIONS = 4
REFUSALS = {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}


@contextmanager
def probed(service: RunningService) -> Iterator[list[float]]:
    """Asks /livez and /readyz of the metrics' port ten times a second; gives the seconds, infinite for a failure."""
    seconds: list[float] = []
    done = threading.Event()
    url = f"http://127.0.0.1:{service.metrics_port}/"

    def probe() -> None:
        while not done.wait(0.1):
            for path in ("livez", "readyz"):
                began = time.monotonic()
                try:
                    with urllib.request.urlopen(url + path, timeout=10) as answer:  # noqa: S310 - http, as above
                        answer.read()
                    seconds.append(time.monotonic() - began)
                except OSError:
                    seconds.append(float("inf"))

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield seconds
    finally:
        done.set()
        thread.join()


def codes_at(service: RunningService) -> Counter[str]:
    """How calls ended so far, as the server counts them."""
    codes: Counter[str] = Counter()
    for sample in samples_of(service):
        if sample.name == "recognition_requests_total" and sample.labels["rpc"] == "Classify":
            codes[sample.labels["code"]] += int(sample.value)
    return codes


def processor_seconds(service: RunningService) -> tuple[float, float]:
    """What the service and the load have had of the processors."""
    times = psutil.Process(service.process.pid).cpu_times()
    return times.user + times.system, time.process_time()


async def back_to(call: RawLoad, *, rate: float, limit: float, within: float) -> float:
    """Seconds until the p95 of a second's calls is below a limit, or until the time is up."""
    began = time.monotonic()
    while time.monotonic() - began < within:
        outcomes = await at_rate(call, rate=rate, seconds=1)
        if set(codes_of(outcomes)) == {"OK"} and seconds_of(outcomes, percentile=95) <= limit:
            break
    return time.monotonic() - began


@sizes(Size(seconds=1.0, count=1), Size(seconds=120, count=1, strict=True))
async def test_what_can_be_computed_is_computed_under_overload(tmp_path: Path, size: Size) -> None:
    """At twice and five times the capacity: goodput 0.9 of it, refusals within 50 ms, probes 100 %, soon over."""
    publish(tmp_path, 1, work=WORK if size.strict else WORK // 10)
    with running_service(tmp_path, *OPTIONS) as service:
        async with raw_load(service.grpc_port, connections=CONNECTIONS) as call:
            await measured_overload(call, service, size)
        until_at_rest(service, within=60)
        assert adds_up(service)


async def measured_overload(call: RawLoad, service: RunningService, size: Size) -> None:
    seconds = max(1.0, size.seconds / 8)
    began = time.monotonic()
    full = await closed_loop(call, callers=12, until=lambda calls: calls >= 12 and time.monotonic() > began + seconds)
    capacity = sum(one.code == "OK" for one in full) / (time.monotonic() - began)
    calm = await at_rate(call, rate=capacity / 2, seconds=seconds) if size.strict else full
    before = Holdings.of(service)
    for factor in FACTORS if size.strict else FACTORS[-1:]:
        codes, spent = codes_at(service), processor_seconds(service)
        with probed(service) as probes:
            outcomes = await at_rate(call, rate=factor * capacity, seconds=size.seconds)
        answered = [one for one in outcomes if one.code == "OK"]
        refused = [one for one in outcomes if one.code == "REFUSED"]
        lasted = max(size.seconds, max(one.began for one in outcomes) - outcomes[0].began)
        shares = [(now - then) / lasted for now, then in zip(processor_seconds(service), spent, strict=True)]
        codes = codes_at(service) - codes
        limit = 2 * seconds_of(calm, percentile=95)
        back = await back_to(call, rate=capacity / 2, limit=limit, within=60 if size.strict else 1)
        goodput = len(answered) / lasted / capacity
        alive = sum(one < 10 for one in probes) / max(1, len(probes))
        record(
            f"R2 overload at {factor} C",
            size,
            capacity=round(capacity, 1),
            goodput=round(goodput, 3),
            codes=codes,
            refusals_p99_ms=1e3 * seconds_of(refused, percentile=99),
            answers_p99_ms=1e3 * seconds_of(answered, percentile=99),
            probes=len(probes),
            probes_answered=alive,
            probes_p99_ms=1e3 * sorted(probes)[int(0.99 * len(probes))],
            back_after_seconds=round(back, 1),
            growth_megabytes=round(Holdings.of(service).megabytes - before.megabytes, 1),
            processors_of_service_and_load=[round(share, 2) for share in shares],
        )
        assert set(codes) <= {"OK", *REFUSALS}
        assert codes["OK"] == len(answered)
        assert codes.total() == len(answered) + len(refused) == len(outcomes)
        assert alive == 1.0
        if size.strict:
            assert goodput >= 0.90
            assert seconds_of(refused, percentile=99) <= 0.050
            assert back <= 10
