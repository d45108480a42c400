"""What Prometheus sees of the service. Base units; labels come from the repository, never from clients.

The registry is this process's own and is served from its own thread and port (service/api/rest/metrics.py).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from service.children import Children
from service.drift import Drift
from service.engine.batcher import BatchReport
from service.engine.pipeline import Stage
from service.engine.response_cache import Lookup
from service.models.live_model import LiveModel
from service.models.manifest import Manifest
from service.models.registry import Entry, State

SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
LABELS_WITH_OWN_SERIES = 20
OTHER = "other"


class Metrics:
    """Every metric of the service, by the names of the README's table."""

    def __init__(self, *, exemplar: Callable[[], Mapping[str, str]] = dict) -> None:
        """`exemplar` gives the labels that lead from a measured time to its trace; empty where there is none."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # the time of creation would double the series
        self.registry = CollectorRegistry()
        self._exemplar = exemplar
        self._drifts: dict[tuple[str, int], Drift] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._describe_requests()
        self._describe_engine()
        self._describe_models()
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
        self.queue_depth = Gauge(
            "recognition_queue_depth", "Images waiting for a batch", ["model", "version"], registry=registry
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

    def _describe_models(self) -> None:
        registry = self.registry
        model = ["model", "version"]
        self.predictions = Counter(
            "recognition_predictions", "Answers by best label", [*model, "label"], registry=registry
        )
        self.confidence = Histogram(
            "recognition_top1_confidence",
            "Probability of the best label",
            ["model"],
            buckets=CONFIDENCES,
            registry=registry,
        )
        self.model_info = Gauge(
            "recognition_model_info",
            "1 for each live version",
            [*model, "digest", "precision", "provider"],
            registry=registry,
        )
        self.model_ready = Gauge("recognition_model_ready", "1 while the version answers", model, registry=registry)
        self.load_seconds = Gauge(
            "recognition_model_load_seconds", "Reading, proving and warming up", model, registry=registry
        )
        self.golden_difference = Gauge(
            "recognition_golden_max_abs_difference",
            "Largest difference of a golden sample's logits at load",
            model,
            registry=registry,
        )
        self.golden_tolerance = Gauge(
            "recognition_golden_tolerance",
            "Difference of a golden sample's logits beyond which a version is refused",
            model,
            registry=registry,
        )
        self.drift = Gauge(
            "recognition_drift_psi",
            "Recent labels and confidences against the manifest's baseline, as population stability index",
            [*model, "of"],
            registry=registry,
        )
        self.reloads = Counter(
            "recognition_reloads",
            "Changes of the repository that were taken up (done) or not (refused)",
            ["outcome"],
            registry=registry,
        )
        self.build = Info("recognition_build", "What is running", registry=registry)

    def _keep_children(self) -> None:
        """Of what is counted with every call or image."""
        self._requests = Children(self.requests)
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
        samples = [sample for metric in self.requests.collect() for sample in metric.samples]
        ended = sum(sample.value for sample in samples)
        answered = sum(sample.value for sample in samples if sample.labels["code"] == "OK")
        return {"ended": int(ended), "answered": int(answered)}

    def describe_build(self, *, version: str, onnxruntime: str, provider: str, provider_reason: str) -> None:
        self.build.info(
            {
                "version": version,
                "onnxruntime": onnxruntime,
                "provider": provider,
                "provider_reason": provider_reason,
            }
        )

    def watch_model(self, entry: Entry) -> None:
        """Follows a version through its states."""
        version = str(entry.version)
        if entry.state is State.UNLOADED and not entry.digest:  # never was loaded
            return
        self.model_ready.labels(entry.name, version).set(entry.state is State.READY)
        if entry.state is State.READY and entry.live is not None:
            self._introduce(entry.name, version, entry.live)

    def _introduce(self, name: str, version: str, live: LiveModel) -> None:
        self.model_info.labels(name, version, live.digest, live.precision, live.provider).set(1)
        self.load_seconds.labels(name, version).set(live.load_seconds)
        self.golden_difference.labels(name, version).set(live.golden_difference)
        tolerance = live.manifest.variants[live.precision].golden_tolerance
        self.golden_tolerance.labels(name, version).set(tolerance)
        self.queue_depth.labels(name, version).set_function(lambda: live.waiting)
        drift = self._drifts[name, live.manifest.version] = Drift(live.manifest.baseline)
        self.drift.labels(name, version, "labels").set_function(drift.labels.psi)
        self.drift.labels(name, version, "confidences").set_function(drift.confidences.psi)

    def observe_request(self, rpc: str, *, model: str, version: str, code: str, seconds: float) -> None:
        """A call ended; `seconds` is since it came."""
        self._requests[rpc, model, version, code].inc()
        self._request_seconds[rpc,].observe(seconds, self._trace())

    def observe_stage(self, manifest: Manifest, stage: Stage, seconds: float) -> None:
        self._stage_seconds[stage, manifest.name].observe(seconds, self._trace())

    def _trace(self) -> dict[str, str] | None:
        ids = self._exemplar()
        return {"trace_id": ids["trace_id"]} if ids else None

    def observe_batch(self, manifest: Manifest, report: BatchReport) -> None:
        self.observe_batch_of(manifest.name, report)

    def observe_batch_of(self, name: str, report: BatchReport) -> None:
        self._batch_sizes[name,].observe(report.size)
        self._batches_closed[name, report.closed].inc()
        if report.padding:
            self._batch_paddings[name,].inc(report.padding)

    def observe_image(self, outcome: Literal["ok", "error"], images: int = 1) -> None:
        """So many images were answered, or could not be."""
        if images:
            self._images[outcome,].inc(images)

    def observe_prediction(self, manifest: Manifest, index: int, probability: float) -> None:
        """Counts an answer; labels beyond the first twenty share one series."""
        self.observe_predictions(manifest, (index,), (probability,))

    def observe_predictions(self, manifest: Manifest, indices: Sequence[int], probabilities: Sequence[float]) -> None:
        """Counts the answers of one request."""
        version = str(manifest.version)
        labels = [manifest.labels[index] if index < LABELS_WITH_OWN_SERIES else OTHER for index in indices]
        for label in set(labels):
            self._predictions[manifest.name, version, label].inc(labels.count(label))
        self.observe_image("ok", len(indices))
        confidence = self._confidences[manifest.name,]
        drift = self._drifts.get((manifest.name, manifest.version))
        for index, probability in zip(indices, probabilities, strict=True):
            confidence.observe(probability)
            if drift is not None:
                drift.observe(index, probability)

    def observe_cache_lookup(self, model: str, lookup: Lookup) -> None:
        self._cache_lookups[model, lookup].inc()

    def observe_refusal(self, reason: str) -> None:
        self.rejected.labels(reason).inc()
