"""Tracing with OpenTelemetry: spans are handed to a background thread, which sends them over OTLP.

Imported only where the settings name a collector.
"""

import contextvars
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from service.engine.batcher import BatchReport
from service.engine.times import Times
from service.tracing import Metadata, Tracing

LONGEST_SEND_SECONDS = 3
"""Retries included; at the end of the process it waits no longer for a collector that is away."""
MAX_IMAGES_PER_CALL = 64
"""Calls and streams with more images show the stages of the first of them only."""
FAULTS = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
HEADERS = frozenset({"traceparent", "tracestate"})


@dataclass(slots=True, kw_only=True)
class _Call:
    span: Span
    images: int = 0


_current: contextvars.ContextVar[_Call | None] = contextvars.ContextVar("traced_call", default=None)


class OpenTelemetryTracing(Tracing):
    """Sends a `share` of the calls' traces; a caller's own decision goes before."""

    def __init__(self, processor: SpanProcessor, *, share: float, version: str) -> None:
        resource = Resource.create({"service.name": "recognition", "service.version": version})
        self._calls = _tracer(processor, resource, ParentBased(TraceIdRatioBased(share)))
        self._batches = _tracer(processor, resource, ALWAYS_ON)
        self._propagator = TraceContextTextMapPropagator()
        self._monotonic_zero = time.time_ns() - time.monotonic_ns()

    @classmethod
    def to_collector(cls, endpoint: str, *, share: float, version: str) -> "OpenTelemetryTracing":
        return cls(
            BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=LONGEST_SEND_SECONDS)),
            share=share,
            version=version,
        )

    @contextmanager
    def request(self, rpc: str, metadata: Metadata) -> Iterator[None]:
        carrier = {key: value for key, value in metadata if key in HEADERS and isinstance(value, str)}
        parent = self._propagator.extract(carrier, otel_context.Context())
        span = self._calls.start_span(
            rpc, parent, kind=SpanKind.SERVER, attributes={"rpc.system.name": "grpc", "rpc.method": rpc}
        )
        _current.set(_Call(span=span))
        try:
            yield
        finally:
            span.end()

    def end(self, *, model: str, version: str, code: str) -> None:
        call = _current.get()
        if call is None:
            return
        call.span.set_attributes(
            {"recognition.model": model, "recognition.version": version, "rpc.response.status_code": code}
        )
        if code in FAULTS:
            call.span.set_status(Status(StatusCode.ERROR))

    def images(self, times: Iterable[Times]) -> None:
        call = _current.get()
        if call is None or not call.span.is_recording():
            return
        for one in islice(times, MAX_IMAGES_PER_CALL - call.images):
            call.images += 1
            self._image(call, one)

    def _image(self, call: _Call, times: Times) -> None:
        prepared = times.decode + times.preprocess
        self._stage(call, "decode", times.began_at, prepared, {"recognition.preprocess.seconds": times.preprocess})
        done = times.began_at + prepared
        if times.batch_size > 0:  # else the answer was kept from an earlier image, and so are its times
            done = times.computed_at + times.inference
            batch = _batch_attributes(times.batch_size, times.padding)
            self._stage(call, "queue", times.computed_at - times.queue, times.queue, {})
            self._stage(call, "inference", times.computed_at, times.inference, batch)
        self._stage(call, "postprocess", done, times.postprocess, {})

    def batch(self, name: str, version: int, report: BatchReport) -> None:
        calls = [call for context in report.callers if (call := context.get(_current)) is not None]
        spans = {call.span.get_span_context().span_id: call.span.get_span_context() for call in calls}
        links = [Link(span) for span in spans.values() if span.trace_flags.sampled]
        if not links:
            return
        start = self._monotonic_zero + int(report.computed_at * 1e9)
        span = self._batches.start_span(
            "batch",
            otel_context.Context(),
            links=links,
            attributes={
                "recognition.model": name,
                "recognition.version": str(version),
                "recognition.batch.closed": report.closed,
                **_batch_attributes(report.size, report.padding),
            },
            start_time=start,
        )
        span.end(start + int(report.inference_seconds * 1e9))

    def ids(self) -> Mapping[str, str]:
        call = _current.get()
        if call is None or not call.span.is_recording():
            return {}
        context = call.span.get_span_context()
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

    def _stage(self, call: _Call, name: str, began_at: float, seconds: float, attributes: Mapping[str, float]) -> None:
        start = self._monotonic_zero + int(began_at * 1e9)
        span = self._calls.start_span(
            name, trace.set_span_in_context(call.span), attributes=attributes, start_time=start
        )
        span.end(start + int(seconds * 1e9))


def _batch_attributes(size: int, padding: int) -> dict[str, int]:
    """How many images were asked for, and how many were computed: the bucket that was filled up."""
    return {"recognition.batch.size": size, "recognition.batch.bucket": size + padding}


def _tracer(processor: SpanProcessor, resource: Resource, sampler: Sampler) -> Tracer:
    provider = TracerProvider(resource=resource, sampler=sampler)
    provider.add_span_processor(processor)
    return provider.get_tracer("recognition")
