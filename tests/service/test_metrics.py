"""The metrics (service/metrics.py): what Prometheus reads, whether it adds up, and who cannot bloat it."""

import asyncio
import contextlib
import http.client
import math
import urllib.request
from collections.abc import Awaitable
from pathlib import Path

import grpc
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from recognition.v1 import recognition_pb2 as pb

from service.drift import Drift
from service.engine.times import Stage
from service.metrics import LABELS_WITH_OWN_SERIES, Metrics
from service.models.manifest import Baseline
from tests.service.in_process import InProcess, held, serving, until, until_at_work
from tests.service.packages import PackageRecipe, encode, picture

IMAGE = encode(picture(1))
PROMISED = {
    "recognition_requests",
    "recognition_request_duration_seconds",
    "recognition_stage_duration_seconds",
    "recognition_batch_size",
    "recognition_batch_closed",
    "recognition_queue_depth",
    "recognition_in_flight_requests",
    "recognition_rejected",
    "recognition_images",
    "recognition_predictions",
    "recognition_top1_confidence",
    "recognition_model_info",
    "recognition_model_ready",
    "recognition_model_load_seconds",
    "recognition_golden_max_abs_difference",
    "recognition_build_info",
}


def scrape(port: int) -> dict[str, Metric]:
    """The metrics by name, read over HTTP and parsed as Prometheus does."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def series(families: dict[str, Metric]) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every series with our prefix, by name and labels."""
    samples = [sample for name, family in families.items() if name in PROMISED for sample in family.samples]
    return {(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples}


async def test_prometheus_can_read_every_promised_metric(service: InProcess) -> None:
    """After one call all are there, with a help text, and nothing else has our prefix."""
    await service.stub.Classify(pb.ClassifyRequest(image=IMAGE))
    families = await asyncio.to_thread(scrape, service.metrics_port)
    assert {name for name in families if name.startswith("recognition_")} >= PROMISED
    assert [name for name in PROMISED if not families[name].documentation] == []
    assert {"process_resident_memory_bytes", "python_info"} <= set(families)


async def test_seconds_are_told_apart_from_a_quarter_of_a_millisecond(service: InProcess) -> None:
    """The histograms of durations begin there, and count every call."""
    await service.stub.Classify(pb.ClassifyRequest(image=IMAGE))
    for name in ("recognition_request_duration_seconds", "recognition_stage_duration_seconds"):
        family = (await asyncio.to_thread(scrape, service.metrics_port))[name]
        bounds = {float(sample.labels["le"]) for sample in family.samples if sample.name.endswith("_bucket")}
        assert (min(bounds), max(bounds)) == (0.00025, float("inf"))
    assert service.sum("recognition_request_duration_seconds_count", rpc="Classify") == 1
    stages = {stage: service.sum("recognition_stage_duration_seconds_count", stage=stage) for stage in Stage}
    assert stages == dict.fromkeys(Stage, 1)


async def test_received_is_ended_plus_in_flight(service: InProcess) -> None:
    """At every moment, whatever becomes of the calls: answered, refused, or given up."""
    received = 9
    with held(service.live()) as release:
        good = [service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(4)]
        given_up = [service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(2)]
        bad = [service.stub.Classify(pb.ClassifyRequest(image=b"no image")) for _ in range(3)]
        await asyncio.gather(*bad, return_exceptions=True)
        await service.until_inside(6)
        assert service.sum("recognition_requests_total") == 3
        for call in given_up:
            call.cancel()
        await service.until_inside(4)
        assert service.sum("recognition_requests_total") + service.inside == received
        release.set()
        await asyncio.gather(*good)
    await service.until_inside(0)
    expected = {"OK": 4, "INVALID_ARGUMENT": 3, "CANCELLED": 2}
    assert {code: service.sum("recognition_requests_total", code=code) for code in expected} == expected
    outcomes = {"answered": 4, "refused": 3, "cancelled": 2, "failed": 0}
    assert {outcome: service.sum("recognition_ended_total", outcome=outcome) for outcome in outcomes} == outcomes
    assert service.sum("recognition_received_total") == received
    assert service.sum("recognition_requests_total") == received
    assert service.sum("recognition_rejected_total", reason="IMAGE_UNREADABLE") == 3


async def test_images_add_up_too(service: InProcess) -> None:
    """Each image of a batch counts once, by its own outcome and best label."""
    images = [IMAGE, b"no image", IMAGE, encode(picture(0))]
    await service.stub.BatchClassify(pb.BatchClassifyRequest(images=images))
    assert service.sum("recognition_images_total", outcome="ok") == 3
    assert service.sum("recognition_images_total", outcome="error") == 1
    assert service.sum("recognition_predictions_total", label="middle") == 2
    assert service.sum("recognition_predictions_total") == 3
    assert service.sum("recognition_top1_confidence_count") == 3
    assert service.sum("recognition_batch_size_sum") == 3
    assert service.sum("recognition_batch_size_count") == service.sum("recognition_batch_closed_total")


async def test_a_model_says_what_answers(service: InProcess) -> None:
    """Digest, precision, provider and proof of each live version; the build says which runtime."""
    live = service.live()
    labels = {"model": "thirds", "version": "1"}
    info = labels | {"digest": live.digest, "precision": "fp32", "provider": "CPUExecutionProvider"}
    assert service.metrics.get_sample_value("recognition_model_info", info) == 1
    assert service.metrics.get_sample_value("recognition_model_ready", labels) == 1
    assert (service.metrics.get_sample_value("recognition_model_load_seconds", labels) or 0) > 0
    difference = service.metrics.get_sample_value("recognition_golden_max_abs_difference", labels)
    assert difference is not None
    assert 0 <= difference <= 1e-3
    assert service.sum("recognition_build_info", provider="CPUExecutionProvider") == 1


async def test_the_queue_s_depth_is_that_of_this_moment(service: InProcess) -> None:
    """Images that wait while another batch runs are seen, and gone when it is over."""
    live = service.live()
    with held(live) as release:
        calls = [service.stub.Classify(pb.ClassifyRequest(image=IMAGE))]
        await until_at_work(live)  # who comes at once may all go with the first
        calls += [service.stub.Classify(pb.ClassifyRequest(image=IMAGE)) for _ in range(3)]
        await service.until_inside(4)
        await until(lambda: service.sum("recognition_queue_depth") > 0)
        release.set()
        await asyncio.gather(*calls)
    assert service.sum("recognition_queue_depth") == 0


async def test_clients_cannot_make_series(models: Path) -> None:
    """Names that clients invent (models, versions, aliases, ids, methods, paths) add no series of their own."""
    async with serving(models, http=True) as service:
        await send_inventions(service, "first")
        before = series(await asyncio.to_thread(scrape, service.metrics_port))
        for number in range(20):
            await send_inventions(service, f"name{number}")
        after = series(await asyncio.to_thread(scrape, service.metrics_port))
    assert after == before
    assert len(after) <= 500
    assert not [labels for _, labels in after for _, value in labels if "name1" in value]


async def send_inventions(service: InProcess, name: str) -> None:
    """One call of each kind with a name that no repository holds."""
    answers = await asyncio.gather(*inventions(service, name), return_exceptions=True)
    assert all(isinstance(answer, grpc.aio.AioRpcError) for answer in answers)
    stream = service.stub.ClassifyStream(iter([pb.ClassifyStreamRequest(id=name, image=IMAGE)]))
    assert [answer.id async for answer in stream] == [name]
    for path in (f"/{name}", f"/v1/models/{name}", f"/predictions/{name}", f"/v1/models/thirds/versions/{name}"):
        assert await asyncio.to_thread(http_status, service.http_port, path) >= 400


def inventions(service: InProcess, name: str) -> list[Awaitable[object]]:
    unknown: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = service.channel.unary_unary(
        f"/recognition.v1.RecognitionService/{name}"
    )
    selectors = [
        pb.ModelSelector(name=name),
        pb.ModelSelector(alias=name),
        pb.ModelSelector(version=2**16 + sum(name.encode())),
    ]
    return [
        *(service.stub.Classify(pb.ClassifyRequest(model=selector, image=IMAGE)) for selector in selectors),
        *(service.stub.GetModel(pb.GetModelRequest(model=selector)) for selector in selectors),
        unknown(b""),
        service.health(name),
    ]


def http_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().status


def test_labels_beyond_the_first_share_a_series() -> None:
    """A model with many labels has a bounded number of series."""
    metrics = Metrics()
    labels = tuple(f"label{index}" for index in range(1000))
    manifest = PackageRecipe().manifest({"model.onnx": b"", "golden.npz": b""}).model_copy(update={"labels": labels})
    for index in range(len(labels)):
        metrics.observe_prediction(manifest, index, 0.5)
    counted = {
        sample.labels["label"]: sample.value
        for family in metrics.predictions.collect()
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert len(counted) == LABELS_WITH_OWN_SERIES + 1
    assert (counted["label0"], counted["other"]) == (1, 1000 - LABELS_WITH_OWN_SERIES)


def test_an_image_without_a_number_harms_none_beside_it() -> None:
    """It counts as an error, and neither as a label nor in a distribution."""
    metrics = Metrics()
    manifest = PackageRecipe().manifest({"model.onnx": b"", "golden.npz": b""})
    drift = Drift(Baseline(images=1, label_shares=(0.5, 0.5), confidence_shares=(0.5, 0.5)))
    metrics._drifts[manifest.name, manifest.version] = drift
    metrics.observe_predictions(manifest, [0, 1, 0], [0.5, math.nan, 1.0])
    metrics.observe_prediction(manifest, 1, math.nan)
    samples = {
        (sample.name, sample.labels.get("outcome", sample.labels.get("label"))): sample.value
        for metric in (metrics.predictions, metrics.images, metrics.confidence)
        for family in metric.collect()
        for sample in family.samples
    }
    assert samples["recognition_images_total", "ok"] == samples["recognition_images_total", "error"] == 2
    assert samples["recognition_predictions_total", manifest.labels[0]] == 2
    assert ("recognition_predictions_total", manifest.labels[1]) not in samples
    assert samples["recognition_top1_confidence_sum", None] == 1.5
    assert (sum(drift.labels._counts), sum(drift.confidences._counts)) == (2, 2)


async def test_versions_that_come_and_go_leave_no_series(models: Path) -> None:
    """Twenty versions are swapped in one after another: those of the present and of the last few are told of."""
    async with serving(models) as service:
        sizes = []
        for version in range(2, 22):
            PackageRecipe(version=version).write(models)
            await service.server._registry.load("thirds")
            await service.stub.Classify(pb.ClassifyRequest(image=IMAGE))
            sizes.append(len(series(await asyncio.to_thread(scrape, service.metrics_port))))
        found = series(await asyncio.to_thread(scrape, service.metrics_port))
    assert sizes[-1] == sizes[5]
    versions = {value for _, labels in found for name, value in labels if name == "version" and value.isdecimal()}
    assert versions == {"19", "20", "21"}
    ready = {labels for name, labels in found if name == "recognition_model_ready"}
    assert ready == {(("model", "thirds"), ("version", "21"))}
    assert service.sum("recognition_received_total") == service.sum("recognition_ended_total") == 20
