"""`/v1/metrics/summary`: the last seconds of the service in a few numbers, out of the Prometheus registry."""

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass

from fastapi import APIRouter
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.samples import Sample

from service.api.rest.schemas import Schema
from service.metrics import OTHER, Metrics


class BatchCount(Schema):
    """Batches by size."""

    up_to: int
    """Images; those beyond the largest bound are counted with it."""
    batches: int


class Summary(Schema):
    """The last seconds of the service, from its own metrics; calls that only list or describe do not count."""

    window_seconds: float
    requests: int
    requests_per_second: float
    errors: int
    p50_seconds: float | None = None
    """Half of the calls were faster; an estimate from the histogram's buckets."""
    p99_seconds: float | None = None
    mean_batch_size: float | None = None
    batch_sizes: list[BatchCount]
    queue_depth: int
    in_flight: int


WINDOW_SECONDS = 30.0
BETWEEN_SECONDS = 0.5
NOT_COUNTED = ("GET ", OTHER)
"""Calls whose labels begin so only list or describe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The counters at one moment; buckets are cumulative, as Prometheus has them."""

    at: float
    requests: int
    errors: int
    latency: dict[float, int]
    batches: dict[float, int]
    batch_images: float


class Window:
    """Compares the counters with those of up to half a minute ago."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._past = deque([read_counts(metrics, at=time.monotonic())])

    def summary(self) -> Summary:
        now = read_counts(self._metrics, at=time.monotonic())
        while len(self._past) > 1 and self._past[1].at <= now.at - WINDOW_SECONDS:
            self._past.popleft()
        before = self._past[0]
        if now.at - self._past[-1].at >= BETWEEN_SECONDS:
            self._past.append(now)
        return summary_of(
            before,
            now,
            queue_depth=int(_sum(self._metrics.queue_depth)),
            in_flight=int(_sum(self._metrics.in_flight)),
        )


def summary_router(metrics: Metrics) -> APIRouter:
    """Not counted among the calls, so that looking does not change what is seen."""
    router = APIRouter()
    window = Window(metrics)

    @router.get("/v1/metrics/summary", response_model_exclude_none=True)
    async def summary() -> Summary:
        """Rate, latency and batch sizes over the last half minute. The whole story is on the metrics port."""
        return window.summary()

    return router


def read_counts(metrics: Metrics, *, at: float) -> Counts:
    ended = [
        sample
        for sample in _samples(metrics.requests)
        if sample.name.endswith("_total") and not sample.labels["rpc"].startswith(NOT_COUNTED)
    ]
    sizes = [sample for sample in _samples(metrics.batch_size) if sample.name.endswith("_sum")]
    return Counts(
        at=at,
        requests=int(sum(sample.value for sample in ended)),
        errors=int(sum(sample.value for sample in ended if sample.labels["code"] != "OK")),
        latency=_buckets(metrics.request_seconds),
        batches=_buckets(metrics.batch_size),
        batch_images=sum(sample.value for sample in sizes),
    )


def summary_of(before: Counts, now: Counts, *, queue_depth: int = 0, in_flight: int = 0) -> Summary:
    """What happened between two moments."""
    seconds = now.at - before.at
    requests = now.requests - before.requests
    latency = {bound: count - before.latency.get(bound, 0) for bound, count in now.latency.items()}
    batches = {bound: count - before.batches.get(bound, 0) for bound, count in now.batches.items()}
    most = max(batches.values(), default=0)
    return Summary(
        window_seconds=seconds,
        requests=requests,
        requests_per_second=requests / seconds if seconds > 0 else 0.0,
        errors=now.errors - before.errors,
        p50_seconds=quantile(latency, 0.5),
        p99_seconds=quantile(latency, 0.99),
        mean_batch_size=(now.batch_images - before.batch_images) / most if most else None,
        batch_sizes=_by_size(batches),
        queue_depth=queue_depth,
        in_flight=in_flight,
    )


def quantile(buckets: dict[float, int], share: float) -> float | None:
    """By straight lines inside the buckets; beyond the last finite bound that bound. None where nothing was counted."""
    total = max(buckets.values(), default=0)
    if total == 0:
        return None
    lower, below = 0.0, 0
    for bound, count in sorted(buckets.items()):
        if count >= share * total:
            return lower if math.isinf(bound) else lower + (bound - lower) * (share * total - below) / (count - below)
        lower, below = bound, count
    raise AssertionError("the last bucket holds all")


def _by_size(batches: dict[float, int]) -> list[BatchCount]:
    """Bucket by bucket instead of cumulative, those beyond the largest bound with it."""
    counts: list[BatchCount] = []
    below = 0
    for bound, count in sorted(batches.items()):
        if not math.isinf(bound):
            counts.append(BatchCount(up_to=int(bound), batches=count - below))
            below = count
        elif counts:
            counts[-1].batches += count - below
    return counts


def _buckets(histogram: Histogram) -> dict[float, int]:
    buckets: dict[float, int] = defaultdict(int)
    for sample in _samples(histogram):
        if sample.name.endswith("_bucket") and not sample.labels.get("rpc", "").startswith(NOT_COUNTED):
            buckets[float(sample.labels["le"])] += int(sample.value)
    return dict(buckets)


def _sum(gauge: Gauge) -> float:
    return sum(sample.value for sample in _samples(gauge))


def _samples(metric: Counter | Gauge | Histogram) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]
