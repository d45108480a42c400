"""Whether calls are traced (service/tracing.py)."""

import subprocess
import sys

import pytest

from service.engine.batcher import BatchReport, Closed
from service.engine.times import Times
from service.tracing import UNTRACED, TracesUnavailable, build_tracing


def test_nothing_is_traced_unless_a_collector_is_named() -> None:
    """Every note goes nowhere, and there is no trace to name."""
    tracing = build_tracing("", share=1.0, version="1")
    assert tracing is UNTRACED
    with tracing.request("Classify", ()):
        tracing.images([Times()])
        tracing.end(model="thirds", version="1", code="OK")
        assert tracing.ids() == {}
    tracing.batch("thirds", 1, BatchReport(size=1, closed=Closed.IDLE, queue_seconds=(0.0,), inference_seconds=0.0))


def test_an_endpoint_is_a_url() -> None:
    """The words say which."""
    with pytest.raises(TracesUnavailable, match="http://HOST:PORT"):
        build_tracing("collector:4317", share=1.0, version="1")


def test_nothing_of_opentelemetry_is_imported_without_a_collector() -> None:
    """A service that traces nothing does not pay for it at its start either."""
    check = "import sys, service.bootstrap; sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenTelemetry is not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "service.telemetry", None)
    with pytest.raises(TracesUnavailable, match=r"recognition\[otel\]"):
        build_tracing("http://localhost:4317", share=1.0, version="1")
