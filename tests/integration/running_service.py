"""A real `recognition-serve` process on free ports, as an operator would start it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(slots=True)
class RunningService:
    """The process, its ports, and every line that it logged so far."""

    process: "subprocess.Popen[str]"
    grpc_port: int = 0
    fast_grpc_port: int = 0
    http_port: int = 0
    metrics_port: int = 0
    log: list[str] = field(default_factory=list)
    reader: Thread | None = None

    @property
    def target(self) -> str:
        return f"localhost:{self.grpc_port}"

    @property
    def fast_target(self) -> str:
        return f"localhost:{self.fast_grpc_port}"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.http_port}"

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code, when the process has ended by itself."""
        code = self.process.wait(timeout=100)
        if self.reader is not None:
            self.reader.join(timeout=60)
        return code


@contextmanager
def running_service(
    models: Path, *options: str, command: Sequence[str] = (sys.executable, "-m", "service")
) -> Iterator[RunningService]:
    """Yields when the service says that it is ready; ends it on the way out."""
    ports = ("--grpc-port", "0", "--http-port", "0", "--metrics-port", "0")
    line = [*command, "--models", str(models), *ports, "--log-format", "json"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "proto", ROOT / "client")))}
    process = subprocess.Popen([*line, *options], stderr=subprocess.PIPE, text=True, env=environment)
    service = RunningService(process)
    try:
        _wait_until_ready(service)
        yield service
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if service.reader is not None:
            service.reader.join(timeout=60)
        if process.stderr is not None:
            process.stderr.close()


def entry_of(line: str) -> dict[str, Any]:
    """What a line of the log says; a line that a library wrote past it is an event without facts."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"event": line.strip(), "level": "foreign"}
    return entry


def _wait_until_ready(service: RunningService) -> None:
    stream = service.process.stderr
    assert stream is not None
    for line in stream:
        service.log.append(line)
        entry = entry_of(line)
        if entry["event"] == "ports bound":
            service.grpc_port, service.metrics_port = entry["grpc_port"], entry["metrics_port"]
            service.http_port, service.fast_grpc_port = entry["http_port"] or 0, entry["fast_grpc_port"] or 0
        if entry["event"] == "ready":
            service.reader = Thread(target=service.log.extend, args=(stream,), daemon=True)
            service.reader.start()
            return
    raise AssertionError(f"the service ended before it was ready: {service.log}")
