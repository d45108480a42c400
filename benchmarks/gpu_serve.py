"""The service over real gRPC on a GPU: closed loops for throughput, one open loop for its tail, answers checked."""

import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.load import WARM_SECONDS, Job, Load, run_loads
from benchmarks.pictures import draw_photographs
from benchmarks.report import Row
from benchmarks.traffic import Traffic, batch_traffic, classify_traffic, infer_traffic
from service.models.manifest import Precision
from tests.integration.running_service import RunningService, entry_of, running_service

if TYPE_CHECKING:
    from benchmarks.gpu import Bench

PICTURES = 16
REQUESTS = 2
TENSORS = ((64, 16, 4), (128, 8, 4), (32, 32, 4))
"""Images a call, calls in flight, processes that send them."""
PICTURE_CALLS = ((16, 32, 2), (64, 12, 2), (1, 128, 3))
SHARE_OF_CAPACITY = 0.8
ROWS = len(TENSORS) + len(PICTURE_CALLS) + 3
MAX_BATCH_SIZE = 256
"""The best batch of the raw rows must be within reach."""


def serve_rows(bench: "Bench") -> None:
    model = bench.model()
    tolerance = bench.package().manifest.variant(bench.precision).golden_tolerance
    tie = 1e-3 if bench.precision is Precision.FP32 else 4 * tolerance
    pictures = classify_traffic(bench.network, model, draw_photographs(PICTURES), tie=tie)
    tensors = {
        images: infer_traffic(bench.network, model, images_per_call=images, requests=REQUESTS, tie=tie)
        for images, _, _ in TENSORS
    }
    del model  # its session holds memory of the card
    limits = Limits(bench)
    each = max(1.0, bench.seconds / ROWS)
    with running_service(bench.models, *_options(bench)) as service:
        bench.note([_described(service)])
        meter = Meter(service)
        for images, in_flight, processes in TENSORS:
            name = f"tensors {images} a call x {in_flight}"
            load = Closed(tensors[images], in_flight, processes, each)
            bench.guarded(name, lambda name=name, load=load: meter.row(name, load, limits.tensors))  # type: ignore[misc]
        single = 0.0
        for images, in_flight, processes in PICTURE_CALLS:
            name = f"jpeg {images} a call x {in_flight}"
            traffic = pictures
            if images > 1:
                traffic = batch_traffic(pictures, images_per_call=images, requests=REQUESTS)
            load = Closed(traffic, in_flight, processes, each)
            bench.guarded(name, lambda name=name, load=load: meter.row(name, load, limits.pictures))  # type: ignore[misc]
            if images == 1:
                single = meter.latest
        bench.guarded("open", lambda: _open(meter, pictures, SHARE_OF_CAPACITY * single, each))
    (bench.work / "service.log").write_text("".join(service.log), encoding="utf-8")


def _options(bench: "Bench") -> tuple[str, ...]:
    options = ["--device", bench.device, "--precision", bench.precision, "--drain-seconds", "0"]
    options += ["--max-batch-size", str(MAX_BATCH_SIZE), "--max-queue-images", "8192"]
    if (threads := Limits(bench).decode_threads) is not None:
        options += ["--decode-threads", str(threads)]
    return (*options, "--provider-options", bench.options) if bench.options else tuple(options)


class Limits:
    """What was measured of the parts alone; None where that failed."""

    def __init__(self, bench: "Bench") -> None:
        rows = [row for row in bench.rows() if row["network"] == f"{bench.network} {bench.precision}"]
        raw = [_number(row) for row in rows if row["row"] in {"raw plain", "raw bound", "raw graph"}]
        decoders = {_number(row): row.get("threads") for row in rows if row["row"] == "decoder"}
        decoder = max(decoders, default=0.0)
        self.tensors = max(raw, default=0.0) or None
        self.decode_threads = decoders.get(decoder)
        """With which one process decodes fastest; the service is given as many."""
        self.pictures = min(self.tensors, decoder) if self.tensors and decoder else None


def _number(row: Row) -> float:
    value = row.get("images/s")
    return value if isinstance(value, float) else 0.0


class Closed:
    """So many calls at a time, from several processes."""

    def __init__(self, traffic: Traffic, in_flight: int, processes: int, seconds: float) -> None:
        self._traffic = traffic
        self._in_flight = in_flight
        self._processes = processes
        self._seconds = seconds

    def run(self, target: str) -> Load:
        job = Job(**self._traffic.fields, target=target, seconds=self._seconds, in_flight=self._in_flight)
        return run_loads(job, self._processes)


class Meter:
    """Looks at the service before and after a load: its processor time and its own metrics."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._process = psutil.Process(service.process.pid)
        self.latest = 0.0

    def row(self, name: str, closed: Closed, limit: float | None) -> Row:
        with self.watch() as seen:
            load = closed.run(self._service.target)
        self.latest = load.images_per_second
        return {
            "row": name,
            "images/s": load.images_per_second,
            "ratio": load.images_per_second / limit if limit else None,
            "p99 ms": 1000 * load.percentile(99),
            "limit": f"{limit:.0f}/s" if limit else "not measured",
            "failed": load.failed,
            "cores": seen["cpu"] / (load.seconds + WARM_SECONDS),
            "client cores": load.client_cpu_seconds / load.seconds,
            **{name: value for name, value in seen.items() if name != "cpu"},
        }

    def open(self, traffic: Traffic, *, rate: float | None, seconds: float, processes: int) -> Load:
        job = Job(**traffic.fields, target=self._service.target, seconds=seconds, rate=rate)
        return run_loads(job, processes)

    @contextmanager
    def watch(self) -> Iterator[dict[str, float]]:
        seen: dict[str, float] = {}
        cpu, before = self._cpu(), self._sums()
        yield seen
        after = self._sums()
        grown = {name: after[name] - before.get(name, 0.0) for name in after}
        seen["cpu"] = self._cpu() - cpu
        seen["batch"] = grown["recognition_batch_size_sum"] / max(1.0, grown["recognition_batch_size_count"])
        for stage in ("decode", "preprocess", "queue", "inference"):
            count = max(1.0, grown.get(f"{stage}_count", 0.0))
            seen[f"{stage} ms"] = 1000 * grown.get(f"{stage}_sum", 0.0) / count

    def _sums(self) -> dict[str, float]:
        url = f"http://localhost:{self._service.metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read().decode()
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if family.name == "recognition_stage_duration_seconds":
                    name = sample.labels["stage"] + sample.name.removeprefix(family.name)
                elif family.name == "recognition_batch_size":
                    name = sample.name
                else:
                    continue
                sums[name] = sums.get(name, 0.0) + sample.value
        return sums

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _open(meter: Meter, pictures: Traffic, rate: float, seconds: float) -> Row:
    unloaded = meter.open(pictures, rate=None, seconds=seconds, processes=1)
    with meter.watch() as seen:
        loaded = meter.open(pictures, rate=rate, seconds=seconds, processes=4)
    return {
        "row": f"open at {SHARE_OF_CAPACITY:g}",
        "images/s": loaded.images_per_second,
        "p99 ms": 1000 * loaded.percentile(99),
        "limit": f"2 x {1000 * unloaded.percentile(99):.2f} ms, p99 unloaded",
        "ratio": loaded.percentile(99) / unloaded.percentile(99),
        "failed": loaded.failed,
        "p50 ms": 1000 * loaded.percentile(50),
        "p50 unloaded ms": 1000 * unloaded.percentile(50),
        **{name: value for name, value in seen.items() if name != "cpu"},
    }


def _described(service: RunningService) -> Row:
    """What the service says of the model that it serves, and what it takes of the card."""
    entries = [entry_of(line) for line in service.log]
    model = next((entry for entry in entries if entry["event"] == "model ready"), {})
    warnings = [entry["event"] for entry in entries if entry["level"] in {"warning", "error", "foreign"}]
    told = ("provider", "precision", "load_seconds", "golden_max_abs_difference")
    return {
        "row": "ready",
        **{name: model.get(name) for name in told},
        "warnings": "; ".join(dict.fromkeys(warnings)) or "none",
        "card": _card_memory(),
    }


def _card_memory() -> str:
    command = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "none"
