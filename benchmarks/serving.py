"""The service over real gRPC against the limit measured in the same run, turn by turn; every answer is checked.

    tensors   one Fashion-MNIST tensor a call, at both gRPC doors; limit: a bare grpc.aio server on uvloop with the same
              request and answer; beside it the same on asyncio's own loop, and the second door asked by raw_http2.py
    batches   64 of them a call, at both gRPC doors; limit: ONNX Runtime in process
    jpeg      JPEG → top-5 of a ResNet-18, at both gRPC doors; limit: 1 / (1 / decoder + 1 / ONNX Runtime) on the same
              cores
    open      the same at shares of its capacity, calls coming by chance (Poisson), with no objective and with one of
              three times the unloaded latency; limit: an ideal queue of that capacity, and
              how many images are late in whatever order they are computed
    precision jpeg with 32 in flight by two services in turns: fp32, and the int8 that `auto` takes, each with its limit

The load generator is a process of its own on the same machine. Networks have random weights, pictures are drawn.

Example: .venv/bin/python benchmarks/serving.py jpeg --seconds 60 --json serving.json
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto"), str(ROOT / "client")]

from benchmarks.bench import Bench, row_of
from benchmarks.echo import running_echo
from benchmarks.ideal_queue import fewest_late, ideal_percentile
from benchmarks.limits import RawModel, best_layout, decode_rate, single_latency
from benchmarks.load import Load
from benchmarks.packages import FASHION_CNN, RESNET18, prepare_package, prepare_packages
from benchmarks.pictures import photographs
from benchmarks.report import Row, report
from benchmarks.traffic import Traffic, classify_traffic, infer_traffic
from service.models.manifest import Precision
from service.models.repository import ModelRepository
from tests.integration.running_service import RunningService, entry_of, running_service

SCENARIOS = ("tensors", "batches", "jpeg", "open", "precision")
IN_FLIGHT = {"tensors": (1, 8, 32), "batches": (1, 8), "jpeg": (1, 4, 8, 32, 64)}
ROUNDS = 3
SHARES = (0.3, 0.5, 0.8)
OBJECTIVE = 3.0
"""Times the unloaded median that slo_p99_ms is set to."""
MANY_IN_FLIGHT = 32
TAKEN_BY = {"fp32": Precision.FP32, "auto": Precision.INT8}
"""The precision that each setting is expected to take."""
FAST = ("--fast-grpc-port", "0")
WAYS = {"tensors": 5, "batches": 3, "jpeg": 3}
"""Loads in each round."""
OPTIONS = ("--device", "cpu", "--drain-seconds", "0")
MIB = 2**20


def run_scenario(name: str, root: Path, images: Path | None, seconds: float, options: list[str]) -> list[Row]:
    if name == "precision":
        return list(_precisions(root, photographs(images), max(1.0, seconds / ROUNDS / len(TAKEN_BY) / 2), options))
    models = prepare_packages(root)
    network = FASHION_CNN if name in {"tensors", "batches"} else RESNET18
    model = RawModel(ModelRepository(models).open(network, 1))
    files = photographs(images)
    if name in {"tensors", "batches"}:
        traffic = infer_traffic(network, model, images_per_call=64 if name == "batches" else 1)
    else:
        traffic = classify_traffic(network, model, files)
    rounds = ROUNDS * len(IN_FLIGHT.get(name, SHARES)) * WAYS.get(name, 2)
    arguments = (*OPTIONS, "--precision", "fp32", *options)
    turn = max(1.0, seconds / rounds)
    if name == "open":
        return list(_open(models, arguments, model, traffic, turn))
    with running_service(models, *arguments, *FAST) as service:
        bench = Bench(service, model, traffic, turn)
        if name == "tensors":
            with running_echo(traffic.answer) as (echo, _), running_echo(traffic.answer, loop="asyncio") as (other, _):
                return list(_against_echo(bench, echo, other))
        return list(_against_limit(name, bench, model, files, turn))


def _against_echo(bench: Bench, echo: str, on_asyncio: str) -> Iterator[Row]:
    ways: dict[str, Callable[[int], tuple[Load, float]]] = {
        "first": bench.closed,
        "second": partial(bench.closed, fast=True),
        "second, raw_http2": partial(bench.closed, fast=True, by="benchmarks.raw_http2"),
    }
    for in_flight in IN_FLIGHT["tensors"]:
        runs: dict[str, list[tuple[Load, float]]] = {way: [] for way in ways}
        limits, others = [], []
        for _ in range(ROUNDS):
            limits.append(bench.echo(echo, in_flight).images_per_second)
            others.append(bench.echo(on_asyncio, in_flight).images_per_second)
            for way, run in ways.items():
                runs[way].append(run(in_flight))
        words = f"bare grpc.aio (on asyncio's loop: {statistics.median(others):,.0f}/s)"
        for way, found in runs.items():
            yield {"door": way, **row_of(in_flight, found, statistics.median(limits), bench, words)}


def _against_limit(name: str, bench: Bench, model: RawModel, files: tuple[bytes, ...], seconds: float) -> Iterator[Row]:
    for in_flight in IN_FLIGHT[name]:
        loads, limits, layout = [], [], ""
        fast: list[tuple[Load, float]] = []
        for _ in range(ROUNDS):
            loads.append(bench.closed(in_flight))
            fast.append(bench.closed(in_flight, fast=True))
            best = best_layout(model, batches=(64,) if name == "batches" else (1, 8), seconds=seconds)
            layout = str(best)
            per_image = 1 / best.images_per_second
            if name == "jpeg":
                per_image += 1 / decode_rate(model, files, seconds=seconds / 2)
            if name == "jpeg" and in_flight == 1:
                per_image, layout = single_latency(model, files, seconds=seconds), "decode, then all cores"
            limits.append(1 / per_image)
        yield row_of(in_flight, loads, statistics.median(limits), bench, layout)
        yield row_of(in_flight, fast, statistics.median(limits), bench, f"{layout}; at the second gRPC door")


def _precisions(root: Path, files: tuple[bytes, ...], seconds: float, options: list[str]) -> Iterator[Row]:
    models = prepare_package(root, RESNET18, Precision.INT8)
    package = ModelRepository(models).open(RESNET18, 1)
    raw = {setting: RawModel(package, precision) for setting, precision in TAKEN_BY.items()}
    loads: dict[str, list[tuple[Load, float]]] = {setting: [] for setting in TAKEN_BY}
    limits: dict[str, list[float]] = {setting: [] for setting in TAKEN_BY}
    with ExitStack() as stack:
        benches = {}
        for setting, model in raw.items():
            service = stack.enter_context(running_service(models, *OPTIONS, "--precision", setting, *options))
            _check_taken(service, TAKEN_BY[setting])
            benches[setting] = Bench(service, model, classify_traffic(RESNET18, model, files), seconds)
        for setting in list(TAKEN_BY) * ROUNDS:
            loads[setting].append(benches[setting].closed(MANY_IN_FLIGHT))
            computed = best_layout(raw[setting], batches=(1, 8), seconds=seconds / 2).images_per_second
            decoded = decode_rate(raw[setting], files, seconds=seconds / 2)
            limits[setting].append(1 / (1 / computed + 1 / decoded))
        rows = {
            setting: row_of(
                MANY_IN_FLIGHT, loads[setting], statistics.median(limits[setting]), bench, "of its precision"
            )
            for setting, bench in benches.items()
        }
    for setting, row in rows.items():
        of_fp32 = {name: row[name] / rows["fp32"][name] for name in ("images/s", "limit/s")}  # type: ignore[operator]
        yield {"precision": setting, **row, "of fp32": of_fp32["images/s"], "limit of fp32's": of_fp32["limit/s"]}


def _check_taken(service: RunningService, precision: Precision) -> None:
    """Raises RuntimeError where the service computes in another one: what was to be measured would not be."""
    (ready,) = (entry for entry in map(entry_of, service.log) if entry["event"] == "model ready")
    if ready["precision"] != precision:
        raise RuntimeError(f"the service takes {ready['precision']}: {ready['precision_reason']}")


def _open(models: Path, arguments: tuple[str, ...], model: RawModel, traffic: Traffic, seconds: float) -> Iterator[Row]:
    """Without an objective, and then with one."""
    with running_service(models, *arguments) as service:
        bench = Bench(service, model, traffic, seconds)
        capacity = statistics.median(bench.closed(32)[0].images_per_second for _ in range(ROUNDS))
        unloaded = bench.closed(1)[0].percentile(50)
        yield from _open_rows(bench, capacity, unloaded, None)
    objective = OBJECTIVE * unloaded
    with running_service(models, *arguments, "--slo-p99-ms", f"{1000 * objective:.1f}") as service:
        bench = Bench(service, model, traffic, seconds)
        for _ in range(ROUNDS):
            bench.closed(32)  # as above: a model under load is given a second session
        yield from _open_rows(bench, capacity, unloaded, objective)


def _open_rows(bench: Bench, capacity: float, unloaded: float, objective: float | None) -> Iterator[Row]:
    for share in SHARES:
        runs = [bench.open(share * capacity) for _ in range(ROUNDS)]
        p99 = 1000 * statistics.median(load.percentile(99) for load, _ in runs)
        ideal = 1000 * ideal_percentile(share * capacity, capacity, 99)
        yield {
            **row_of(0, runs, capacity, bench, f"{share} of capacity {capacity:.0f}/s"),
            "in flight": None,
            "p99 / unloaded p50": p99 / (unloaded * 1000),
            "slo_p99 ms": None if objective is None else 1000 * objective,
            "met": None if objective is None else ("yes" if p99 <= 1000 * objective else "no"),
            "p99 of an ideal queue ms": ideal,
            **({} if objective is None else _lateness(runs, share * capacity, capacity, objective)),
        }


def _lateness(runs: list[tuple[Load, float]], rate: float, capacity: float, objective: float) -> Row:
    latencies = [latency for load, _ in runs for latency in load.latencies]
    late = sum(latency > objective for latency in latencies) / max(1, len(latencies))
    return {"late %": 100 * late, "late whatever is done %": 100 * fewest_late(rate, capacity, objective)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--seconds", type=float, default=60, help="of measuring, shared by all rows and rounds")
    parser.add_argument("--root", type=Path, default=ROOT / "var" / "benchmarks", help="where the packages are kept")
    parser.add_argument("--images", type=Path, help="photographs to send instead of drawn ones")
    parser.add_argument(
        "--option", action="append", default=[], help="for recognition-serve, as --option=--decode=fast"
    )
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = run_scenario(given.scenario, given.root, given.images, given.seconds, given.option)
    report(f"serving: {given.scenario} {' '.join(given.option)}".strip(), rows, file=given.json)


if __name__ == "__main__":
    main()
