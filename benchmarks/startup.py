"""How soon the service is ready beyond what its sessions take to load, and what it costs when nobody calls.

Ready is when it says so; the sessions are loaded in this process, in turn with the starts. Idle is the processor time
of a service with all its models loaded over the given seconds, as a share of one core.

Example: .venv/bin/python benchmarks/startup.py --json startup.json
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import statistics
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto"), str(ROOT / "client")]

from benchmarks.limits import RawModel
from benchmarks.packages import FASHION_CNN, RESNET18, prepare_packages
from benchmarks.report import report
from service.engine.session import available_cores
from service.models.repository import ModelRepository
from tests.integration.running_service import running_service

OPTIONS = ("--device", "cpu", "--precision", "fp32", "--drain-seconds", "0")
SETTLE_SECONDS = 2.0


def seconds_to_load(models: Path) -> float:
    """Of the sessions alone, as the service builds them."""
    began = time.perf_counter()
    for name in (RESNET18, FASHION_CNN):
        RawModel(ModelRepository(models).open(name, 1)).session(available_cores())
    return time.perf_counter() - began


def measure(models: Path, rounds: int, idle_seconds: float) -> dict[str, float]:
    loads, starts, idle = [], [], 0.0
    for turn in range(rounds):
        loads.append(seconds_to_load(models))
        began = time.perf_counter()
        with running_service(models, *OPTIONS) as service:
            starts.append(time.perf_counter() - began)
            if turn == rounds - 1:
                process = psutil.Process(service.process.pid)
                time.sleep(SETTLE_SECONDS)
                before = process.cpu_times()
                time.sleep(idle_seconds)
                after = process.cpu_times()
                idle = (after.user + after.system - before.user - before.system) / idle_seconds
    start, load = statistics.median(starts), statistics.median(loads)
    return {"ready s": start, "sessions alone s": load, "beyond s": start - load, "idle share of a core": idle}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30, help="how long the idle service is watched")
    parser.add_argument("--root", type=Path, default=ROOT / "var" / "benchmarks", help="where the packages are kept")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    models = prepare_packages(given.root)
    report("startup", [measure(models, given.rounds, given.seconds)], file=given.json)


if __name__ == "__main__":
    main()
