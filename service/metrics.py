"""What Prometheus sees of the service. Base units; labels come from the repository, never from clients.

The registry is this process's own and is served from its own thread and port (service/api/rest/metrics.py).
"""

import math
import re
from collections import Counter as Counts
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.samples import Sample

from service.children import Children
from service.counting import count
from service.engine.batcher import BatchReport
from service.engine.response_cache import Lookup
from service.engine.times import Seconds, Stage
from service.histogram import observe_all
from service.model_metrics import ModelMetrics
from service.models.manifest import Manifest

SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
LABELS_WITH_OWN_SERIES = 20
OTHER = "other"
WITH_OWN_SERIES = re.compile(r"classify|embed|explain|infer|predictions", re.IGNORECASE)
"""The calls that compute; the others share one series, so that there are few enough whatever is called."""


class Outcome(StrEnum):
    """What became of a call."""

    ANSWERED = "answered"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    FAILED = "failed"


OUTCOMES = {
    "OK": Outcome.ANSWERED,
    "CANCELLED": Outcome.CANCELLED,
    "INTERNAL": Outcome.FAILED,
    "UNKNOWN": Outcome.FAILED,
}


@cache
def rpc_label(rpc: str) -> str:
    """The name of a call in the metrics."""
    return rpc.replace("/versions/{version}", "") if WITH_OWN_SERIES.search(rpc) else OTHER


class Metrics(ModelMetrics):
    """Every metric of the service, by the names of the README's table."""

    def __init__(self, *, exemplar: Callable[[], Mapping[str, str]] = dict) -> None:
        """`exemplar` gives the labels that lead from a measured time to its trace; empty where there is none."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # the time of creation would double the series
        super().__init__(CollectorRegistry())
        self._exemplar = exemplar
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._describe_requests()
        self._describe_engine()
        self._keep_children()

    def _describe_requests(self) -> None:
        registry = self.registry
        self.requests = Counter(
            "recognition_requests", "Calls by how they ended", ["rpc", "model", "version", "code"], registry=registry
        )
        self.request_seconds = Histogram(
            "recognition_request_duration_seconds",
            "From the call's arrival to its answer",
            ["rpc"],
            buckets=SECONDS,
            registry=registry,
        )
        self.received = Counter("recognition_received", "Calls that came in", registry=registry)
        self.ended = Counter(
            "recognition_ended",
            "Calls that ended: answered, refused, cancelled, failed; received less these are in flight",
            ["outcome"],
            registry=registry,
        )
        for outcome in Outcome:
            self.ended.labels(outcome)
        self.in_flight = Gauge("recognition_in_flight_requests", "Calls being worked on", registry=registry)
        self.rejected = Counter(
            "recognition_rejected", "Images and calls that were refused, by reason", ["reason"], registry=registry
        )
        self.images = Counter("recognition_images", "Images by outcome: ok or error", ["outcome"], registry=registry)

    def _describe_engine(self) -> None:
        registry = self.registry
        self.stage_seconds = Histogram(
            "recognition_stage_duration_seconds",
            "Where an image's time goes",
            ["stage", "model"],
            buckets=SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "recognition_batch_size", "Images in a batch", ["model"], buckets=BATCHES, registry=registry
        )
        self.batch_closed = Counter(
            "recognition_batch_closed", "Batches by why they were cut", ["model", "cause"], registry=registry
        )
        self.batch_padding = Counter(
            "recognition_batch_padding_images", "Images computed only to fill a batch up", ["model"], registry=registry
        )
        self.cache_lookups = Counter(
            "recognition_cache_lookups",
            "Images by whether their outputs were kept",
            ["model", "outcome"],
            registry=registry,
        )
        self.cache_evictions = Counter(
            "recognition_cache_evictions", "Outputs that made room for others", registry=registry
        )
        self.cache_bytes = Gauge("recognition_cache_bytes", "What the kept outputs take", registry=registry)

    def _keep_children(self) -> None:
        """Of what is counted with every call or image."""
        self._requests = Children(self.requests)
        self._ended = Children(self.ended)
        self._request_seconds = Children(self.request_seconds)
        self._images = Children(self.images)
        self._stage_seconds = Children(self.stage_seconds)
        self._batch_sizes = Children(self.batch_size)
        self._batches_closed = Children(self.batch_closed)
        self._cache_lookups = Children(self.cache_lookups)
        self._batch_paddings = Children(self.batch_padding)
        self._predictions = Children(self.predictions)
        self._confidences = Children(self.confidence)

    def totals(self) -> dict[str, int]:
        """Calls that have ended, and those of them that were answered with OK."""
        ended = {sample.labels["outcome"]: sample.value for sample in _samples(self.ended)}
        return {"ended": int(sum(ended.values())), "answered": int(ended[Outcome.ANSWERED])}

    def describe_build(self, *, version: str, onnxruntime: str, provider: str, provider_reason: str) -> None:
        self.build.info(
            {
                "version": version,
                "onnxruntime": onnxruntime,
                "provider": provider,
                "provider_reason": provider_reason,
            }
        )

    def observe_call(self, rpc: str, *, model: str, version: str, code: str, seconds: float) -> None:
        """A call ended; `seconds` is since it came."""
        self._count_end(rpc, model=model, version=version, code=code)
        observe_all(self._request_seconds[rpc_label(rpc),], (seconds,), self._trace())

    def observe_turned_away(self, rpc: str, code: str) -> None:
        """A call came and was never let in."""
        count(self.received)
        self._count_end(rpc, model="", version="", code=code)

    def _count_end(self, rpc: str, *, model: str, version: str, code: str) -> None:
        count(self._requests[rpc_label(rpc), model, version, code])
        count(self._ended[OUTCOMES.get(code, Outcome.REFUSED),])

    def _forget_counts(self, name: str, version: str) -> None:
        for children in (self._requests, self._predictions):
            children.remove(model=name, version=version)

    def observe_stage(self, manifest: Manifest, stage: Stage, seconds: Seconds) -> None:
        """Of each image of a request."""
        observe_all(self._stage_seconds[stage, manifest.name], seconds, self._trace())

    def _trace(self) -> dict[str, str] | None:
        ids = self._exemplar()
        return {"trace_id": ids["trace_id"]} if ids else None

    def observe_batch(self, manifest: Manifest, report: BatchReport) -> None:
        self.observe_batch_of(manifest.name, report)

    def observe_batch_of(self, name: str, report: BatchReport) -> None:
        observe_all(self._batch_sizes[name,], (report.size,))
        count(self._batches_closed[name, report.closed])
        if report.padding:
            self._batch_paddings[name,].inc(report.padding)

    def observe_image(self, outcome: Literal["ok", "error"], images: int = 1) -> None:
        """So many images were answered, or could not be."""
        if images:
            count(self._images[outcome,], images)

    def observe_prediction(self, manifest: Manifest, index: int, probability: float) -> None:
        """Counts an answer; labels beyond the first twenty share one series."""
        self.observe_predictions(manifest, (index,), (probability,))

    def observe_predictions(self, manifest: Manifest, indices: Sequence[int], probabilities: Sequence[float]) -> None:
        """Counts the answers of one request. Those without a number for the best label have no answer."""
        if any(map(math.isnan, probabilities)):
            known = [place for place, probability in enumerate(probabilities) if not math.isnan(probability)]
            self.observe_image("error", len(probabilities) - len(known))
            indices, probabilities = [indices[place] for place in known], [probabilities[place] for place in known]
        version = str(manifest.version)
        for index, images in Counts(indices).items():
            label = manifest.labels[index] if index < LABELS_WITH_OWN_SERIES else OTHER
            count(self._predictions[manifest.name, version, label], images)
        self.observe_image("ok", len(indices))
        observe_all(self._confidences[manifest.name,], probabilities)
        drift = self._drifts.get((manifest.name, manifest.version))
        if drift is not None:
            drift.observe(indices, probabilities)

    def observe_cache_lookup(self, model: str, lookup: Lookup) -> None:
        self._cache_lookups[model, lookup].inc()

    def observe_refusal(self, reason: str) -> None:
        self.rejected.labels(reason).inc()


def _samples(metric: Counter) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples if sample.name.endswith("_total")]
