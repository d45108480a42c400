"""Prometheus, the alerts and the dashboard, against a real Prometheus that scrapes a real service."""

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from recognition_client import ImageError, RecognitionClient

from tests.integration.running_service import RunningService, running_service
from tests.ops.prometheus import ALERTS, MONITORING, metrics_in, running_prometheus
from tests.ops.tools import ROOT, run, tool
from tests.service.packages import PackageRecipe, encode, picture

CASES = ROOT / "tests" / "ops" / "alert_cases.yaml"
RUNBOOK = ROOT / "docs" / "runbook.md"
FOREIGN = ("DCGM_FI_", "kube_job_", "up")
"""Metrics that others expose: NVIDIA's DCGM exporter, kube-state-metrics, and Prometheus itself."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One that has answered, and refused, a few images."""
    models = tmp_path_factory.mktemp("models")
    PackageRecipe().write(models)
    with running_service(models, "--http-port", "0") as running:
        with RecognitionClient(running.target) as client:
            for place in (0, 1, 2) * 5:
                client.classify(encode(picture(place)))
            assert isinstance(client.batch_classify([b"no image"])[0], ImageError)
        yield running


def exposed(service: RunningService) -> str:
    with urllib.request.urlopen(f"http://localhost:{service.metrics_port}/metrics", timeout=30) as answer:
        text: str = answer.read().decode()
    return text


def series_of(service: RunningService) -> set[str]:
    """Names of all series, as PromQL asks for them."""
    return {re.split(r"[ {]", line)[0] for line in exposed(service).splitlines() if not line.startswith("#")}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    return loaded


def expressions() -> list[str]:
    """Of the dashboard, with Grafana's variables filled in."""
    found = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    return [expression.replace("$__rate_interval", "1m").replace("$job", ".*") for expression in found]


def test_expressions_are_walked_to_the_end() -> None:
    """The walk above finds every selector; the negative control of the tests below."""
    query = "histogram_quantile(0.9, sum by (le) (rate(a_bucket[5m]))) / (b offset 5m unless (c > 1)) and on (x) -d"
    assert metrics_in(query) == {"a_bucket", "b", "c", "d"}


def test_every_expression_names_metrics_that_the_service_exposes(service: RunningService) -> None:
    """On the dashboard and in the rules; what rules record counts, and so do the exporters of GPU and jobs."""
    known = series_of(service) | {rule["record"] for rule in rules() if "record" in rule}
    for expression in [*expressions(), *(rule["expr"] for rule in rules())]:
        missing = {name for name in metrics_in(expression) - known if not name.startswith(FOREIGN)}
        assert not missing, expression


def test_the_scalers_ask_for_metrics_that_the_service_exposes(service: RunningService) -> None:
    """The queries of the KEDA component."""
    text = (ROOT / "k8s" / "components" / "keda" / "scaled-object.yaml").read_text(encoding="utf-8")
    queries = [trigger["metadata"]["query"] for trigger in yaml.safe_load(text)["spec"]["triggers"]]
    assert len(queries) == 2
    for query in queries:
        assert metrics_in(query) <= series_of(service)


def test_the_exposition_keeps_the_conventions(service: RunningService) -> None:
    """Promtool has nothing to say about names, units and help texts of our own metrics."""
    own = "".join(
        line for line in exposed(service).splitlines(keepends=True) if re.match(r"(# \w+ )?recognition_", line)
    )
    done = subprocess.run(
        [tool("promtool"), "check", "metrics"], input=own, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_rules_and_the_configuration_are_valid() -> None:
    """Promtool reads both, with the lint that names duplicates as errors."""
    run(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", ALERTS)
    run(tool("promtool"), "check", "config", MONITORING / "prometheus.yaml")


def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    """The cases of alert_cases.yaml, run by promtool."""
    run(tool("promtool"), "test", "rules", CASES)


def test_each_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    """Counted in the file, since promtool asks for neither."""
    fires: set[str] = set()
    silent: set[str] = set()
    for case in yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]:
        several = len({series["series"].partition("{")[2] for series in case["input_series"]}) > 1
        for check in case["alert_rule_test"]:
            (fires if check["exp_alerts"] else silent).add(check["alertname"])
            if check["exp_alerts"] and several:  # named series beside those that fire are expected to be silent
                silent.add(check["alertname"])
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert fires == alerts
    assert silent == alerts


def test_each_alert_leads_to_its_place_in_the_runbook() -> None:
    """And the runbook has no place that no alert leads to."""
    anchors = {
        line.removeprefix("## ").lower()
        for line in RUNBOOK.read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    }
    linked = set()
    for rule in rules():
        if "alert" in rule:
            path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            assert path == "docs/runbook.md"
            assert anchor == rule["alert"].lower()
            linked.add(anchor)
    assert anchors == linked


def test_what_is_derived_is_fresh() -> None:
    """`make monitoring` would change neither the dashboard nor the operator's rule."""
    derived = (MONITORING / "dashboard.json", ROOT / "k8s/components/prometheus-rule/prometheus-rule.yaml")
    before = [path.read_bytes() for path in derived]
    run(sys.executable, MONITORING / "generate.py")
    assert [path.read_bytes() for path in derived] == before


def test_panels_do_not_overlap() -> None:
    """Each has its place on the dashboard's 24 columns, and its own number."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(numbers)) == len(numbers)


class TestRealPrometheus:
    """The configuration of the compose file in a real Prometheus."""

    def test_it_scrapes_the_service_and_evaluates_everything(self, service: RunningService, tmp_path: Path) -> None:
        """The target is up, the counted images are there, every rule and every panel's query is evaluated."""
        with running_prometheus(tmp_path, service.metrics_port) as prometheus:
            prometheus.wait_for('recognition_images_total{outcome="ok"} == 15')
            prometheus.wait_for("recognition:faults:ratio_rate5m")
            assert prometheus.value('up{job="recognition"}') == 1
            for expression in expressions():
                prometheus.query(expression)
            groups = prometheus.get("/api/v1/rules")["groups"]
            states = [(rule["name"], rule["health"], rule.get("state")) for group in groups for rule in group["rules"]]
            assert len(states) == len(rules())
            assert all(health == "ok" and state in {None, "inactive"} for _, health, state in states), states
