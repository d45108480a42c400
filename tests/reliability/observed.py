"""What a running service tells of itself: its metrics, its probes, and what its process holds."""

import json
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass

import psutil
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.integration.running_service import RunningService

SOON_SECONDS = 20.0
"""A busy machine may need them to count a caller that has just gone away; a call that was lost is lost for ever."""


def samples_of(service: RunningService) -> list[Sample]:
    with urllib.request.urlopen(f"http://localhost:{service.metrics_port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def count_of_series(service: RunningService) -> int:
    return len(samples_of(service))


def metric(service: RunningService, name: str, **labels: str) -> float:
    """The samples with these labels, added up."""
    samples = samples_of(service)
    return sum(one.value for one in samples if one.name == name and labels.items() <= one.labels.items())


def adds_up(service: RunningService) -> bool:
    """Received = ended, with nothing in flight: soon after the last call, and in one and the same scrape."""
    end = time.monotonic() + SOON_SECONDS
    while True:
        totals: defaultdict[str, float] = defaultdict(float)
        for sample in samples_of(service):
            totals[sample.name] += sample.value
        at_rest = totals["recognition_in_flight_requests"] == 0
        if at_rest and totals["recognition_received_total"] == totals["recognition_ended_total"]:
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.05)


def until_at_rest(service: RunningService, *, within: float) -> float:
    """Seconds until nothing is in flight. Raises TimeoutError."""
    began = time.monotonic()
    while metric(service, "recognition_in_flight_requests") > 0:
        if time.monotonic() - began > within:
            raise TimeoutError("calls are still in flight")
        time.sleep(0.02)
    return time.monotonic() - began


def assert_log_is_json(service: RunningService) -> None:
    """Every line that the process wrote is one JSON object."""
    for line in service.log:
        assert isinstance(json.loads(line), dict), line


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What a process holds."""

    megabytes: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, service: RunningService) -> "Holdings":
        process = psutil.Process(service.process.pid)
        with process.oneshot():
            return cls(
                megabytes=process.memory_info().rss / 2**20,
                threads=process.num_threads(),
                descriptors=process.num_fds(),
            )
