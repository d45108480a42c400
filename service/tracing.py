"""Traces: one span for each call, its stages as children, and one for each batch with links to the calls it carried.

Off unless the settings name a collector; then nothing of OpenTelemetry is imported and nothing is paid. Spans of
stages are written when an image is answered, with the times that were measured anyway.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from service.engine.batcher import BatchReport
from service.engine.times import Times

Metadata = Iterable[tuple[str, str | bytes]]


NOTHING = nullcontext()
"""Around a call that is not traced."""


class TracesUnavailable(Exception):
    """Traces were asked for and cannot be sent; the text says what to do."""


class Tracing:
    """Traces nothing: what the service runs with unless a collector is named."""

    def request(self, rpc: str, metadata: Metadata) -> AbstractContextManager[None]:  # noqa: ARG002 - for those who trace
        """Surrounds a call; `metadata` may name the caller's own trace, in which this one continues."""
        return NOTHING

    def end(self, *, model: str, version: str, code: str) -> None:
        """Notes how the call ended, before its span does."""

    def images(self, times: Iterable[Times]) -> None:
        """Writes the stages of images of the call; those that are not wanted are not taken."""

    def batch(self, name: str, version: int, report: BatchReport) -> None:
        """Writes a batch, linked to the calls whose images it carried."""

    def ids(self) -> Mapping[str, str]:
        """`trace_id` and `span_id` of the call, for log lines and exemplars; empty where there is none."""
        return {}


UNTRACED = Tracing()


def build_tracing(endpoint: str, *, share: float, version: str) -> Tracing:
    """`endpoint` is that of an OTLP receiver over gRPC, http:// or https://; nothing is traced where it is empty.

    Raises TracesUnavailable.
    """
    if not endpoint:
        return UNTRACED
    if not endpoint.startswith(("http://", "https://")):
        raise TracesUnavailable(f"traces_endpoint is http://HOST:PORT or https://HOST:PORT, and not {endpoint!r}.")
    try:
        from service.telemetry import OpenTelemetryTracing
    except ModuleNotFoundError as error:
        raise TracesUnavailable(
            "traces_endpoint is set, but OpenTelemetry is not installed: pip install 'recognition[otel]'."
        ) from error
    return OpenTelemetryTracing.to_collector(endpoint, share=share, version=version)
