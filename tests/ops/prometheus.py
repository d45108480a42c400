"""A real Prometheus with the committed configuration, its HTTP API, and the metrics that an expression asks for."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import promql_parser
import yaml

from tests.ops.collector import free_port
from tests.ops.tools import ROOT, tool

MONITORING = ROOT / "k8s" / "monitoring"
ALERTS = MONITORING / "alerts.yaml"


def metrics_in(expression: str) -> set[str]:
    """Names that an expression asks for."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            assert node.name is not None, expression
            found.add(node.name)
        for part in ("vector_selector", "expr", "lhs", "rhs"):
            if (child := getattr(node, part, None)) is not None:
                walk(child)
        for argument in getattr(node, "args", None) or ():
            walk(argument)

    walk(promql_parser.parse(expression))
    assert found, expression
    return found


class Prometheus:
    """A running server's HTTP API."""

    def __init__(self, port: int) -> None:
        self._root = f"http://localhost:{port}"

    def get(self, path: str, **query: str) -> Any:
        url = f"{self._root}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - this process's own server
            body = json.load(answer)
        assert body["status"] == "success"
        return body["data"]

    def query(self, expression: str) -> list[Any]:
        result: list[Any] = self.get("/api/v1/query", query=expression)["result"]
        return result

    def value(self, expression: str) -> float:
        (sample,) = self.query(expression)
        return float(sample["value"][1])

    def wait_for(self, expression: str, *, seconds: float = 90.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if self.query(expression):
                    return
            except OSError:
                pass  # it is still starting
            time.sleep(0.2)
        raise AssertionError(f"no sample of {expression}")


@contextmanager
def running_prometheus(scratch: Path, metrics_port: int) -> Iterator[Prometheus]:
    """With the committed configuration; only the address of the service and the intervals are this test's."""
    configuration = yaml.safe_load((MONITORING / "prometheus.yaml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = configuration["scrape_configs"]
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"localhost:{metrics_port}"]}]
    (scratch / "prometheus.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    (scratch / "alerts.yaml").write_bytes(ALERTS.read_bytes())
    port = free_port()
    options = [f"--config.file={scratch / 'prometheus.yaml'}", f"--storage.tsdb.path={scratch / 'data'}"]
    process = subprocess.Popen(
        [tool("prometheus"), *options, f"--web.listen-address=127.0.0.1:{port}", "--enable-feature=exemplar-storage"],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(timeout=60)
