"""Spans as OpenTelemetry's own exporter receives them (service/telemetry.py)."""

import contextvars
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from service.engine.batcher import BatchReport, Closed
from service.engine.times import Times
from service.telemetry import MAX_IMAGES_PER_CALL, OpenTelemetryTracing

TIMES = Times(
    decode=0.002, preprocess=0.001, queue=0.004, inference=0.01, postprocess=0.001, batch_size=7, padding=1,
    began_at=10.0, computed_at=10.008,
)  # fmt: skip
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Traced:
    """Tracing into memory."""

    def __init__(self, *, share: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = OpenTelemetryTracing(SimpleSpanProcessor(self.exporter), share=share, version="1")

    def call(
        self,
        *,
        images: int = 1,
        times: Times = TIMES,
        code: str = "OK",
        metadata: tuple[tuple[str, str | bytes], ...] = (),
    ) -> contextvars.Context:
        """Answers a call; the context in which its images were submitted."""
        context = contextvars.copy_context()
        context.run(self._call, [times] * images, code, metadata)
        return context

    def _call(self, images: list[Times], code: str, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        with self.tracing.request("Classify", metadata):
            for times in images:
                self.tracing.images([times])
            self.tracing.end(model="thirds", version="1", code=code)

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]


def milliseconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


def test_the_stages_are_children_with_their_own_times() -> None:
    """Decode holds the preprocessing too; the queue ends where the inference begins."""
    traced = Traced()
    traced.call()
    (call,) = traced.spans("Classify")
    stages = {name: traced.spans(name)[0] for name in ("decode", "queue", "inference", "postprocess")}
    assert all(span.parent == call.context for span in stages.values())
    assert {name: milliseconds(span) for name, span in stages.items()} == pytest.approx(
        {"decode": 3.0, "queue": 4.0, "inference": 10.0, "postprocess": 1.0}
    )
    assert stages["queue"].end_time == stages["inference"].start_time
    assert dict(stages["inference"].attributes or {}) == {"recognition.batch.size": 7, "recognition.batch.bucket": 8}


def test_an_answer_that_was_kept_has_no_queue_and_no_inference() -> None:
    """Its batch was another call's."""
    traced = Traced()
    traced.call(times=replace(TIMES, batch_size=0, computed_at=2.0))
    names = ("Classify", "decode", "queue", "inference", "postprocess")
    assert [len(traced.spans(name)) for name in names] == [1, 1, 0, 0, 1]
    (decode,), (postprocess,) = traced.spans("decode"), traced.spans("postprocess")
    assert postprocess.start_time == pytest.approx(decode.end_time, abs=1000)


def test_a_caller_s_trace_is_continued() -> None:
    """The W3C header names the trace and the parent; binary metadata is not looked at."""
    traced = Traced()
    traced.call(metadata=(("traceparent", f"00-{TRACE}-{PARENT}-01"), ("something-bin", b"\x00")))
    (call,) = traced.spans("Classify")
    assert call.context is not None
    assert call.parent is not None
    assert (f"{call.context.trace_id:032x}", f"{call.parent.span_id:016x}") == (TRACE, PARENT)


def test_the_share_decides_unless_the_caller_did() -> None:
    """With a share of nothing, only calls are traced whose caller says so."""
    traced = Traced(share=0.0)
    context = traced.call()
    assert traced.exporter.get_finished_spans() == ()
    assert context.run(traced.tracing.ids) == {}
    traced.call(metadata=(("traceparent", f"00-{TRACE}-{PARENT}-01"),))
    assert len(traced.spans("Classify")) == 1


@pytest.mark.parametrize(("code", "status"), [("INTERNAL", StatusCode.ERROR), ("INVALID_ARGUMENT", StatusCode.UNSET)])
def test_the_service_s_faults_are_errors(code: str, status: StatusCode) -> None:
    """A caller's mistake is none of the service's."""
    traced = Traced()
    traced.call(code=code)
    (call,) = traced.spans("Classify")
    assert call.status.status_code is status
    assert (call.attributes or {})["rpc.response.status_code"] == code


def test_a_batch_links_to_each_call_once() -> None:
    """Three images of two calls, and one of a caller that is not traced."""
    traced = Traced()
    first, second = traced.call(), traced.call()
    report = BatchReport(
        size=4,
        closed=Closed.FULL,
        queue_seconds=(0.0,) * 4,
        inference_seconds=0.01,
        padding=4,
        computed_at=10.0,
        callers=(first, first, second, contextvars.Context()),
    )
    traced.tracing.batch("thirds", 1, report)
    (batch,) = traced.spans("batch")
    assert {link.context.span_id for link in batch.links} == {
        call.context.span_id for call in traced.spans("Classify") if call.context is not None
    }
    assert len(batch.links) == 2
    assert milliseconds(batch) == pytest.approx(10.0)
    assert (batch.attributes or {})["recognition.batch.bucket"] == 8


def test_a_stream_of_many_images_does_not_flood_the_collector() -> None:
    """The first images show their stages."""
    traced = Traced()
    traced.call(images=MAX_IMAGES_PER_CALL + 10)
    assert len(traced.spans("decode")) == MAX_IMAGES_PER_CALL
