"""Writes what is derived: the Grafana dashboard out of its rows, and alerts.yaml as the operator takes it.

make monitoring
"""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from typing import Any

from panels import ROWS, Panel

HERE = Path(__file__).parent
DASHBOARD = HERE / "dashboard.json"
ALERTS = HERE / "alerts.yaml"
RULE = HERE.parent / "components" / "prometheus-rule" / "prometheus-rule.yaml"
SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT = 24, 8


def dashboard() -> dict[str, Any]:
    """What Grafana loads."""
    return {
        "uid": "recognition",
        "title": "Recognition",
        "tags": ["recognition"],
        "schemaVersion": 41,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"},
                {
                    "name": "job",
                    "type": "query",
                    "label": "Job",
                    "datasource": SOURCE,
                    "query": {"query": "label_values(recognition_build_info, job)", "refId": "job"},
                    "includeAll": True,
                    "multi": True,
                    "current": {"text": ["All"], "value": ["$__all"]},
                    "refresh": 2,
                },
            ]
        },
        "panels": list(laid_out()),
    }


def laid_out() -> Iterator[dict[str, Any]]:
    """Rows from top to bottom, panels from left to right."""
    number, top = 1, 0
    for title, panels in ROWS.items():
        place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": title, "gridPos": place, "panels": [], "collapsed": False}
        number, top, left = number + 1, top + 1, 0
        for panel in panels:
            if left + panel.wide > WIDTH:
                left, top = 0, top + HEIGHT
            yield drawn(panel, number) | {"gridPos": {"x": left, "y": top, "w": panel.wide, "h": HEIGHT}}
            number, left = number + 1, left + panel.wide
        top += HEIGHT


def drawn(panel: Panel, number: int) -> dict[str, Any]:
    """A panel as Grafana's JSON, without its place."""
    targets = [
        {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "exemplar": panel.kind == "timeseries" and "histogram_quantile" in expression,
            "format": {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series"),
            "instant": panel.kind == "table",
        }
        for place, (legend, expression) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": panel.custom}, "overrides": []},
        "options": {"yAxis": {"unit": panel.unit}, "calculate": False} if panel.kind == "heatmap" else {},
    }


def rule() -> str:
    """The alerts as the operator takes them."""
    groups = ALERTS.read_text(encoding="utf-8").partition("\ngroups:")[2]
    head = "# Written by k8s/monitoring/generate.py out of k8s/monitoring/alerts.yaml.\n"
    kind = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: recognition\nspec:\n"
    return head + kind + indent("groups:" + groups, "  ")


def main() -> None:
    DASHBOARD.write_text(json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RULE.write_text(rule(), encoding="utf-8")


if __name__ == "__main__":
    main()
