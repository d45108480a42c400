"""What Prometheus sees of the models. Series of a version end when it is released, or the many that a server swaps in
over its life would pile up; its counts go on for the last few that were released.
"""

from abc import ABC, abstractmethod
from collections import defaultdict, deque

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from service.drift import Drift
from service.models.entry import Entry, State
from service.models.golden_watch import GoldenCheck
from service.models.live_model import LiveModel
from service.models.mirror import Comparison

CONFIDENCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
RELEASED_WITH_COUNTS = 2
"""Versions of a model that were released last: their counts are kept."""


class ModelMetrics(ABC):
    """The part of the metrics that follows the versions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._drifts: dict[tuple[str, int], Drift] = {}
        self._released: defaultdict[str, deque[str]] = defaultdict(deque)
        self._describe_models()
        self._describe_checks()
        self._describe_trials()

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
        self.queue_depth = Gauge(
            "recognition_queue_depth", "Images waiting for a batch", ["model", "version"], registry=registry
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
        self.build = Info("recognition_build", "What is running", registry=registry)

    def _describe_trials(self) -> None:
        registry = self.registry
        trial = ["model", "role"]
        self.compared = Counter(
            "recognition_trial_images",
            "Images that two versions were asked about: agree, differ, failed, skipped",
            [*trial, "outcome"],
            registry=registry,
        )
        self.confidence_difference = Histogram(
            "recognition_trial_confidence_difference",
            "By how much the probability of the tried version's best label differs between the two",
            trial,
            buckets=(0.001, 0.01, 0.05, 0.1, 0.25, 0.5),
            registry=registry,
        )
        self.trial_seconds = Histogram(
            "recognition_trial_inference_seconds",
            "Of the batch, in the version that is tried and in the one that stands",
            [*trial, "version_is"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5),
            registry=registry,
        )

    def observe_comparison(self, one: Comparison) -> None:
        """An image was, or was not, computed by two versions."""
        self.compared.labels(one.model, one.role, one.ended).inc()
        if one.confidence_difference is not None:
            self.confidence_difference.labels(one.model, one.role).observe(one.confidence_difference)
        for version_is, seconds in (("tried", one.tried_seconds), ("standing", one.standing_seconds)):
            if seconds is not None:
                self.trial_seconds.labels(one.model, one.role, version_is).observe(seconds)

    def _describe_checks(self) -> None:
        registry = self.registry
        self.golden_checks = Counter(
            "recognition_golden_checks",
            "Golden samples sent through live versions: ok, mismatch, failed, skipped",
            ["outcome"],
            registry=registry,
        )
        self.device_faults = Counter(
            "recognition_device_faults",
            "Batches that found the device lost or without memory",
            ["fault"],
            registry=registry,
        )
        self.reloads = Counter(
            "recognition_reloads",
            "Changes of the repository that were taken up (done) or not (refused)",
            ["outcome"],
            registry=registry,
        )

    def watch_model(self, entry: Entry) -> None:
        """Follows a version through its states."""
        version = str(entry.version)
        if entry.state is State.UNLOADED:
            if entry.digest:  # else it never was loaded
                self._forget(entry.name, version)
            return
        if entry.state is State.FAILED:
            self._let_go(entry.name, version)
        self.model_ready.labels(entry.name, version).set(entry.state is State.READY)
        if entry.state is State.READY and entry.live is not None:
            self._introduce(entry.name, version, entry.live)

    def _introduce(self, name: str, version: str, live: LiveModel) -> None:
        self.model_info.labels(name, version, live.digest, live.precision, live.provider).set(1)
        self.load_seconds.labels(name, version).set(live.load_seconds)
        self.golden_difference.labels(name, version).set(live.golden_difference)
        tolerance = live.manifest.variant(live.precision).golden_tolerance
        self.golden_tolerance.labels(name, version).set(tolerance)
        self.queue_depth.labels(name, version).set_function(lambda: live.waiting)
        drift = self._drifts[name, live.manifest.version] = Drift(live.manifest.baseline)
        self.drift.labels(name, version, "labels").set_function(drift.labels.psi)
        self.drift.labels(name, version, "confidences").set_function(drift.confidences.psi)

    def _forget(self, name: str, version: str) -> None:
        """A version was released: what is told of its present ends, and with it all that held it in memory."""
        present = {"model": name, "version": version}
        for gauge in (
            self.model_ready,
            self.model_info,
            self.load_seconds,
            self.golden_difference,
            self.golden_tolerance,
        ):
            gauge.remove_by_labels(present)
        self._let_go(name, version)
        released = self._released[name]
        released.append(version)
        while len(released) > RELEASED_WITH_COUNTS:
            self._forget_counts(name, released.popleft())

    @abstractmethod
    def _forget_counts(self, name: str, version: str) -> None:
        """Ends the series that count what the version answered."""

    def _let_go(self, name: str, version: str) -> None:
        """Drops what holds the version's model in memory."""
        for gauge in (self.queue_depth, self.drift):
            gauge.remove_by_labels({"model": name, "version": version})
        self._drifts.pop((name, int(version)), None)

    def observe_golden(self, live: LiveModel, check: GoldenCheck, difference: float) -> None:
        """Notes how a live version did on one of its golden samples."""
        self.golden_checks.labels(check).inc()
        if check in {GoldenCheck.OK, GoldenCheck.MISMATCH}:
            self.golden_difference.labels(live.manifest.name, str(live.manifest.version)).set(difference)
