"""What the dashboard shows: rows from top to bottom, each with its panels from left to right."""

from dataclasses import dataclass, field
from typing import Any

ONE = '{job=~"$job"}'
STAGES = ("decode", "preprocess", "queue", "inference", "postprocess")


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture: queries by legend. `kind` is Grafana's name of it, `unit` Grafana's name of the unit."""

    title: str
    queries: dict[str, str]
    kind: str = "timeseries"
    unit: str = "short"
    about: str = ""
    wide: int = 8
    custom: dict[str, Any] = field(default_factory=dict)


def quantiles(name: str, by: str = "", where: str = "") -> dict[str, str]:
    """p50, p95 and p99 of a histogram."""
    labels = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    selector = f'{{job=~"$job"{where}}}'
    return {
        f"p{share}{legend}": f"histogram_quantile(0.{share}, sum by ({labels}) "
        f"(rate({name}_bucket{selector}[$__rate_interval])))"
        for share in (50, 95, 99)
    }


def rate(name: str, by: str) -> dict[str, str]:
    """What a counter gains each second, by one label."""
    return {f"{{{{{by}}}}}": f"sum by ({by}) (rate({name}{ONE}[$__rate_interval]))"}


def heat_map(title: str, name: str, *, unit: str, where: str = "", wide: int = 8) -> Panel:
    query = f'sum by (le) (increase({name}_bucket{{job=~"$job"{where}}}[$__rate_interval]))'
    return Panel(title=title, queries={"{{le}}": query}, kind="heatmap", unit=unit, wide=wide)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Traffic and errors": (
        Panel(title="Calls", queries=rate("recognition_requests_total", "rpc"), unit="reqps"),
        Panel(title="Calls by code", queries=rate("recognition_requests_total", "code"), unit="reqps"),
        Panel(
            title="Failed by the service's fault",
            queries={"5 m": "recognition:faults:ratio_rate5m", "1 h": "recognition:faults:ratio_rate1h"},
            unit="percentunit",
            about="The objective allows 0.1 %.",
        ),
        Panel(title="Images by outcome", queries=rate("recognition_images_total", "outcome"), unit="ops"),
        Panel(title="Refused, by reason", queries=rate("recognition_rejected_total", "reason"), unit="ops"),
        Panel(title="Calls at work", queries={"{{instance}}": f"recognition_in_flight_requests{ONE}"}),
    ),
    "Latency": (
        Panel(title="Calls", queries=quantiles("recognition_request_duration_seconds", "rpc"), unit="s"),
        *(
            heat_map(stage.capitalize(), "recognition_stage_duration_seconds", unit="s", where=f', stage="{stage}"')
            for stage in STAGES
        ),
    ),
    "Batches and queue": (
        heat_map("Images in a batch", "recognition_batch_size", unit="short", wide=6),
        Panel(
            title="Mean batch",
            queries={
                "{{model}}": f"sum by (model) (rate(recognition_batch_size_sum{ONE}[$__rate_interval])) "
                f"/ sum by (model) (rate(recognition_batch_size_count{ONE}[$__rate_interval]))"
            },
            wide=6,
        ),
        Panel(
            title="Why batches were cut", queries=rate("recognition_batch_closed_total", "cause"), unit="ops", wide=6
        ),
        Panel(title="Images waiting", queries={"{{instance}} {{model}}": f"recognition_queue_depth{ONE}"}, wide=6),
    ),
    "Saturation": (
        Panel(
            title="Cores at work",
            queries={"{{instance}}": f"rate(process_cpu_seconds_total{ONE}[$__rate_interval])"},
        ),
        Panel(title="Memory", queries={"{{instance}}": f"process_resident_memory_bytes{ONE}"}, unit="bytes"),
        Panel(
            title="Open files, share of the limit",
            queries={"{{instance}}": f"process_open_fds{ONE} / process_max_fds{ONE}"},
            unit="percentunit",
        ),
    ),
    "Models": (
        Panel(
            title="Live versions",
            queries={
                "{{model}} {{version}} {{precision}} {{provider}} {{digest}}": "count by (model, version, precision, "
                f"provider, digest) (recognition_model_info{ONE})"
            },
            kind="table",
            about="Replicas that serve each digest; two digests of one version are a fault.",
        ),
        Panel(title="Ready", queries={"{{instance}} {{model}} {{version}}": f"recognition_model_ready{ONE}"}, wide=4),
        Panel(
            title="Golden difference, share of the tolerance",
            queries={
                "{{instance}} {{model}} {{version}}": f"recognition_golden_max_abs_difference{ONE} "
                f"/ recognition_golden_tolerance{ONE}"
            },
            unit="percentunit",
            about="What the replayed samples differ from training; above 100 % the version is refused.",
        ),
        Panel(
            title="Load time",
            queries={"{{instance}} {{model}} {{version}}": f"recognition_model_load_seconds{ONE}"},
            unit="s",
            wide=4,
        ),
    ),
    "Predictions and drift": (
        Panel(
            title="Labels",
            queries={"{{label}}": f"sum by (label) (rate(recognition_predictions_total{ONE}[$__rate_interval]))"},
            unit="ops",
            custom={"stacking": {"mode": "percent"}, "fillOpacity": 60},
        ),
        heat_map("Probability of the best label", "recognition_top1_confidence", unit="percentunit"),
        Panel(
            title="Drift",
            queries={"{{instance}} {{model}} {{of}}": f"recognition_drift_psi{ONE}"},
            about="Population stability index against the validation split: 0.1 is a shift, 0.25 a large one.",
        ),
    ),
    "GPU (DCGM exporter)": (
        Panel(title="Utilisation", queries={"{{Hostname}} {{gpu}}": "DCGM_FI_DEV_GPU_UTIL"}, unit="percent", wide=6),
        Panel(
            title="Compute engine active",
            queries={"{{Hostname}} {{gpu}}": "DCGM_FI_PROF_GR_ENGINE_ACTIVE"},
            unit="percentunit",
            wide=6,
        ),
        Panel(
            title="Memory",
            queries={
                "{{Hostname}} {{gpu}}": "DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE)",
            },
            unit="percentunit",
            wide=6,
        ),
        Panel(
            title="Temperature and last error",
            queries={
                "{{Hostname}} {{gpu}} °C": "DCGM_FI_DEV_GPU_TEMP",
                "{{Hostname}} {{gpu}} Xid": "DCGM_FI_DEV_XID_ERRORS",
            },
            wide=6,
        ),
    ),
}
