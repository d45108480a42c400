"""A real OpenTelemetry collector that takes traces on a free port, and what its debug exporter wrote of them."""

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.ops.tools import ROOT, tool

CONFIGURATION = ROOT / "k8s" / "monitoring" / "collector.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span as the collector printed it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start: str
    end: str
    attributes: dict[str, str] = field(default_factory=dict)
    links: tuple[tuple[str, str], ...] = ()
    """Trace and span that each link names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """The running process."""

    endpoint: str
    output: Path

    def spans(self) -> list[Span]:
        """All spans so far."""
        parts = re.split(r"\nSpan #\d+\n", self.output.read_text(encoding="utf-8"))[1:]
        return [span_of(part) for part in parts]

    def wait_for(self, name: str, *, count: int = 1, seconds: float = 60.0) -> list[Span]:
        """All spans, as soon as there are so many of that name."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            spans = self.spans()
            if sum(span.name == name for span in spans) >= count:
                time.sleep(0.2)  # the rest of what is being written
                return self.spans()
            time.sleep(0.1)
        raise AssertionError(f"the collector has no span {name}: {self.output.read_text(encoding='utf-8')[-3000:]}")


@contextmanager
def running_collector(scratch: Path) -> Iterator[Collector]:
    """On a free port: the OpenTelemetry Collector, or rotel, which prints alike. Skips the test without either."""
    program = tool("otelcol", "rotel-agent")
    port = free_port()
    options = rotel_options(port) if program.endswith("rotel-agent") else otelcol_options(port, scratch)
    output = scratch / "collector.log"
    with output.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen([program, *options], stdout=stream, stderr=stream)
        try:
            wait_until_open(port, process)
            yield Collector(endpoint=f"http://127.0.0.1:{port}", output=output)
        finally:
            process.terminate()
            process.wait(timeout=20)


def otelcol_options(port: int, scratch: Path) -> list[str]:
    """The configuration that the compose file mounts; only the port is this test's."""
    configuration = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    configuration["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] = f"127.0.0.1:{port}"
    configuration["service"]["telemetry"] = {"metrics": {"level": "none"}}
    (scratch / "collector.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    return ["--config", str(scratch / "collector.yaml")]


def rotel_options(port: int) -> list[str]:
    places = [f"--otlp-grpc-endpoint=127.0.0.1:{port}", f"--otlp-http-endpoint=127.0.0.1:{free_port()}"]
    return ["start", *places, "--exporter=blackhole", "--debug-log=traces", "--debug-log-verbosity=detailed"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        assert process.poll() is None, "the collector ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the collector does not listen")


def span_of(text: str) -> Span:
    fields = dict(re.findall(r"^ *([A-Z][A-Za-z ]*?) *: (.*)$", text, flags=re.MULTILINE))
    attributes = dict(re.findall(r"^     -> ([a-z._]+): \w+\((.*)\)$", text.partition("Links:")[0], flags=re.MULTILINE))
    links = re.findall(r"-> Trace ID: (\w+)\n\s+-> ID: (\w+)", text.partition("Links:")[2])
    return Span(
        name=fields["Name"],
        trace_id=fields["Trace ID"],
        span_id=fields["ID"],
        parent_id=fields.get("Parent ID", "").strip(),
        start=fields["Start time"],
        end=fields["End time"],
        attributes=attributes,
        links=tuple(links),
    )
