"""Traces as a real collector receives them from a real service."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from recognition_client import RecognitionClient

from tests.integration.running_service import RunningService, running_service
from tests.ops.collector import Collector, Span, running_collector
from tests.service.packages import PackageRecipe, encode, picture

STAGES = {"decode", "queue", "inference", "postprocess"}
PICTURES = [encode(picture(place)) for place in (0, 1, 2, 0, 1)]


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with running_collector(tmp_path_factory.mktemp("collector")) as running:
        yield running


@pytest.fixture(scope="module")
def service(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """It waits half a second for company, so that the images of one request share a batch."""
    models = tmp_path_factory.mktemp("models")
    PackageRecipe().write(models)
    options = ("--traces-endpoint", collector.endpoint, "--http-port", "0", "--log-level", "debug")
    with running_service(models, *options, "--max-delay-ms", "500", "--max-batch-size", "5") as running:
        yield running


def trace_of(spans: list[Span], root: str) -> tuple[Span, list[Span]]:
    """The span of a call, and its children."""
    (call,) = [span for span in spans if span.name == root]
    return call, [span for span in spans if span.parent_id == call.span_id]


def test_one_request_has_five_spans_and_its_batch_size(collector: Collector, service: RunningService) -> None:
    """The call with its stages as children, in order; five images were one batch, and the batch links to the call."""
    with RecognitionClient(service.target) as client:
        client.batch_classify(PICTURES)
        client.classify(PICTURES[0])
    spans = collector.wait_for("Classify")
    call, stages = trace_of(spans, "Classify")
    assert {span.name for span in stages} == STAGES
    assert len(stages) == len(STAGES)
    assert {span.trace_id for span in stages} == {call.trace_id}
    begins = {span.name: span.start for span in stages}
    assert call.start < begins["decode"] < begins["queue"] < begins["inference"] < begins["postprocess"] < call.end
    (inference,) = [span for span in stages if span.name == "inference"]
    assert inference.attributes["recognition.batch.size"] == "1"
    assert inference.attributes["recognition.batch.bucket"] == "1"
    many, stages_of_many = trace_of(spans, "BatchClassify")
    sizes = [s.attributes["recognition.batch.size"] for s in stages_of_many if s.name == "inference"]
    assert sizes == ["5"] * 5
    (batch,) = [s for s in spans if s.name == "batch" and s.attributes["recognition.batch.size"] == "5"]
    assert batch.links == ((many.trace_id, many.span_id),)
    (times,) = {(span.start, span.end) for span in stages_of_many if span.name == "inference"}
    assert (batch.start, batch.end) == times


def test_metrics_and_log_lead_to_the_trace(collector: Collector, service: RunningService) -> None:
    """The histogram's exemplar and the call's log line name the trace that the collector has."""
    with RecognitionClient(service.target) as client:
        client.classify(PICTURES[0])
    traces = {span.trace_id for span in collector.wait_for("Classify", count=2)}
    request = urllib.request.Request(
        f"http://localhost:{service.metrics_port}/metrics", headers={"Accept": "application/openmetrics-text"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        lines = answer.read().decode().splitlines()
    for metric in ("recognition_request_duration_seconds", "recognition_stage_duration_seconds"):
        exemplars = [line for line in lines if line.startswith(metric) and "trace_id" in line]
        assert exemplars
        assert all(any(trace in line for trace in traces) for line in exemplars)
    entries = [json.loads(line) for line in service.log]
    ended = [entry for entry in entries if entry["event"] == "call ended"]
    assert ended
    assert all(entry["trace_id"] in traces and len(entry["request_id"]) == 32 for entry in ended)


def test_a_collector_that_is_away_harms_no_call(tmp_path: Path) -> None:
    """Calls are answered, the service ends with 0, and its log stays JSON."""
    PackageRecipe().write(tmp_path)
    options = ("--traces-endpoint", "http://127.0.0.1:9", "--http-port", "0", "--drain-seconds", "0")
    with running_service(tmp_path, *options) as service:
        with RecognitionClient(service.target) as client:
            assert client.classify(PICTURES[1]).predictions[0].label == "middle"
        service.terminate()
        assert service.wait() == 0
    assert [json.loads(line)["event"] for line in service.log]
