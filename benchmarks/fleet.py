"""How far the service scales: a model of 1 to 1,000 replicas, fed with costs measured here, checked against real runs.

    python -m benchmarks.fleet --models var/models [--json FILE]

Measures one replica; predicts two and three here and runs them; then lets the model lose replicas and replace
all of them under load; and says what 1 M, 100 M and 10 B images a day take (docs/scaling.md).
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.fleet_clock import Clock, Cores
from benchmarks.fleet_costs import measure_costs, package_of, real_run
from benchmarks.fleet_model import Fleet, closed_loop, open_loop
from benchmarks.fleet_replica import Costs, Replica
from benchmarks.fleet_report import (
    CALLERS,
    CALLS,
    CORES_PER_REPLICA,
    LOAD,
    MAX_BATCH_SIZE,
    MODEL_CALLS,
    NETWORK_SECONDS,
    SIZES,
    Comparison,
    show_comparison,
    show_costs,
    show_daily,
    show_scaled,
)


def main() -> int:
    """0 when the model is within a quarter of the real throughput for two and three replicas."""
    options = _options()
    package = package_of(options.models, options.model)
    cores = len(os.sched_getaffinity(0))
    alone = real_run(options.models, package, replicas=1, callers=CALLERS, calls=CALLS)
    costs = measure_costs(package, alone)
    show_costs(costs)
    compared = [compare(options.models, package.manifest.name, costs, replicas, cores) for replicas in (1, 2, 3)]
    show_comparison(compared, cores)
    fleet_costs = Costs(
        client=0.0, loop=costs.loop, decode=costs.decode, batch=costs.batch, network=NETWORK_SECONDS
    )  # fmt: skip
    rows = list(scaled(fleet_costs))
    show_scaled(rows)
    show_daily(capacity(fleet_costs), options.price)
    if options.json:
        text = json.dumps({"costs": costs_record(costs), "compared": [record(row) for row in compared], "fleet": rows})
        options.json.write_text(text, encoding="utf-8")
    worst = max(abs(row.predicted.per_second / row.per_second - 1) for row in compared[1:])
    print(f"\nThroughput of two and three replicas was predicted within {worst:.0%} (limit 25%).")
    return 0 if worst <= 0.25 else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("var/models"), help="model repository")
    parser.add_argument("--model", default="fashion_cnn", help="whose golden samples are asked")
    parser.add_argument("--price", type=float, default=0.04, help="of one core for one hour, in your currency")
    parser.add_argument("--json", type=Path, help="where the figures are left")
    return parser.parse_args()


def compare(models: Path, name: str, costs: Costs, replicas: int, cores: int) -> Comparison:
    """A real run and the model's, on as much of the machine as others left."""
    real = real_run(models, package_of(models, name), replicas=replicas, callers=CALLERS, calls=CALLS)
    predicted = closed_loop(
        costs.slowed(cores / max(0.5, cores - real.others_cores)),
        replicas=replicas,
        cores=cores,
        callers=CALLERS,
        calls=CALLS,
        max_batch_size=MAX_BATCH_SIZE,
    )
    ordered = sorted(real.seconds)
    return Comparison(
        replicas=replicas,
        predicted=predicted,
        per_second=real.per_second,
        others_cores=real.others_cores,
        p50=ordered[len(ordered) // 2],
        p99=ordered[int(0.99 * len(ordered))],
    )


def capacity(costs: Costs) -> float:
    """Images a second that one replica on machines of its own computes at most, by the model."""
    alone = Costs(client=0.0, loop=costs.loop, decode=costs.decode, batch=costs.batch)
    return closed_loop(
        alone, replicas=1, cores=CORES_PER_REPLICA, callers=128, calls=20_000, max_batch_size=MAX_BATCH_SIZE
    ).per_second


def build(costs: Costs, replicas: int) -> Fleet:
    """Each replica on cores of its own."""
    clock = Clock()
    made = [Replica(Cores(clock, CORES_PER_REPLICA), costs, max_batch_size=MAX_BATCH_SIZE) for _ in range(replicas)]
    return Fleet(clock, made, costs, many_clients=True)


def scaled(costs: Costs) -> Iterator[dict[str, Any]]:
    """Fleets of every size: undisturbed, with replicas killed, with all replaced a tenth at a time."""
    one = capacity(costs)
    for replicas in SIZES:
        rate = LOAD * one * replicas
        calls = max(MODEL_CALLS, 200 * replicas)
        for case in ("undisturbed", "killed", "replaced"):
            fleet = build(costs, replicas)
            seconds = calls / rate
            if case == "killed":
                kill(fleet, share=0.05, at=seconds / 2)
            elif case == "replaced":
                replace(fleet, within=seconds)
            outcome = open_loop(fleet, rate=rate, calls=calls)
            yield {
                "replicas": replicas,
                "case": case,
                "per_second": rate,
                "p50_ms": outcome.quantile(0.5) * 1000,
                "p99_ms": outcome.quantile(0.99) * 1000,
                "retried": outcome.retried,
                "failed": outcome.failed,
                "calls": outcome.calls,
            }


def kill(fleet: Fleet, *, share: float, at: float) -> None:
    """One replica in twenty, and one at least where there are several, dies with all that it has."""
    count = min(len(fleet.replicas) - 1, max(1, round(share * len(fleet.replicas))))
    for replica in fleet.replicas[:count]:
        fleet.clock.after(at, replica.kill)


def replace(fleet: Fleet, *, within: float) -> None:
    """Each replica is out for a while, a tenth of the fleet (one at least) at a time; its last calls are finished."""
    count = len(fleet.replicas)
    at_once = max(1, count // 10)
    if count == 1:  # a new one is ready before the old one goes (maxSurge 1)
        return
    waves = math.ceil(count / at_once)
    length = within / (waves + 1)
    for place in range(count):
        begin = place // at_once * length
        fleet.clock.after(begin, lambda place=place: fleet.out.add(place))  # type: ignore[misc] # mypy sees a default
        fleet.clock.after(begin + length, lambda place=place: fleet.out.discard(place))  # type: ignore[misc]


def costs_record(costs: Costs) -> dict[str, Any]:
    return {"client": costs.client, "loop": costs.loop, "decode": costs.decode, "batch": costs.batch}


def record(row: Comparison) -> dict[str, Any]:
    predicted = {"per_second": row.predicted.per_second, "p50": row.predicted.quantile(0.5)}
    return {"replicas": row.replicas, "per_second": row.per_second, "p50": row.p50, "p99": row.p99, "model": predicted}


if __name__ == "__main__":
    sys.exit(main())
