"""The tables that benchmarks/fleet.py prints, and what it assumes of a fleet."""

import math
from dataclasses import dataclass
from typing import Any

from benchmarks.fleet_model import Outcome
from benchmarks.fleet_replica import Costs

CALLERS = 32
CALLS = 6000
MODEL_CALLS = 60_000
MAX_BATCH_SIZE = 64
SIZES = (1, 3, 10, 100, 1000)
LOAD = 0.6
"""Share of its capacity that a fleet is given; the rest is for what it loses."""
PEAK = 3.0
"""The busiest hour against the day's mean."""
NETWORK_SECONDS = 0.0005
CORES_PER_REPLICA = 2
DAILY = (1_000_000, 100_000_000, 10_000_000_000)
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Predicted and real, for replicas on this machine."""

    replicas: int
    predicted: Outcome
    per_second: float
    others_cores: float
    p50: float
    p99: float


def show_costs(costs: Costs) -> None:
    print("\nMeasured, microseconds of one core for an image:")
    print(f"  client {costs.client * 1e6:.0f}, event loop {costs.loop * 1e6:.0f}, decode {costs.decode * 1e6:.0f}")
    line = ", ".join(f"{size}: {seconds / size * 1e6:.0f}" for size, seconds in costs.batch.items())
    print(f"  inference by batch size {line}")


def show_comparison(rows: list[Comparison], cores: int) -> None:
    print(f"\nReplicas and client together on {cores} cores, {CALLERS} callers, {CALLS:,} calls; model / real:")
    print("  replicas     calls/s          p50 ms          p99 ms   cores that others had")
    for row in rows:
        model = row.predicted
        p50, p99 = model.quantile(0.5) * 1000, model.quantile(0.99) * 1000
        print(
            f"  {row.replicas:8} {model.per_second:7.0f} /{row.per_second:6.0f} "
            f"{p50:7.1f} /{row.p50 * 1000:6.1f} {p99:7.1f} /{row.p99 * 1000:6.1f} {row.others_cores:12.2f}"
        )


def show_scaled(rows: list[dict[str, Any]]) -> None:
    print(f"\nModel: {CORES_PER_REPLICA} cores a replica, {LOAD:.0%} load, random arrivals:")
    print("  replicas  case         images/s    p50 ms   p99 ms   retried   failed   of calls")
    for row in rows:
        print(
            f"  {row['replicas']:8}  {row['case']:11} {row['per_second']:9,.0f} {row['p50_ms']:9.1f}"
            f" {row['p99_ms']:8.1f} {row['retried']:9,} {row['failed']:8,} {row['calls']:10,}"
        )


def show_daily(one: float, price: float) -> None:
    print(
        f"\nA replica computes {one:,.0f} images/s at most. At {LOAD:.0%} load in the peak of {PEAK:g} times the mean:"
    )
    print("  images a day      mean/s      peak/s   replicas      cores   cost a day   a million images")
    for images in DAILY:
        mean = images / SECONDS_A_DAY
        replicas = max(2, math.ceil(mean * PEAK / (LOAD * one)))
        cost = replicas * CORES_PER_REPLICA * 24 * price
        print(
            f"  {images:14,} {mean:9,.0f} {mean * PEAK:11,.0f} {replicas:10,} {replicas * CORES_PER_REPLICA:10,}"
            f" {cost:12,.2f} {cost / images * 1e6:18,.4f}"
        )
