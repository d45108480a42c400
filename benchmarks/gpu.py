"""The GPU rows: a ResNet-50 as uint8 tensors and as JPEG, against raw ONNX Runtime on CUDA in the same run.

    tensors   32 images a call, 16 calls in flight; limit: ONNX Runtime at its best batch
    jpeg      one picture a call, 128 in flight; limit: the smaller of the decoder's rate and ONNX Runtime's
    open      the pictures at 0.8 of that capacity, by chance; p99 against that of one at a time
    steady    every batch after READY against the median of its size: none may take three times as long

Example: python benchmarks/gpu.py --seconds 180 --json gpu.json      (benchmarks/gpu.sh installs what it needs)
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto"), str(ROOT / "client")]

from benchmarks.limits import RawModel, best_layout, decode_rate
from benchmarks.load import Job, run_load
from benchmarks.packages import prepare_package
from benchmarks.pictures import draw_photographs
from benchmarks.report import Row, report
from benchmarks.traffic import Traffic, classify_traffic, infer_traffic
from service.engine.providers import Device, choose_provider
from service.models.manifest import Precision
from service.models.repository import ModelRepository
from tests.integration.running_service import running_service

BATCHES = (8, 16, 32, 64, 128)
IMAGES_PER_CALL, CALLS_IN_FLIGHT, PICTURES_IN_FLIGHT = 32, 16, 128
SHARE_OF_CAPACITY = 0.8
PARTS = 7
"""Measurements that share the time."""


def measure(network: str, precision: Precision, device: Device, root: Path, seconds: float) -> Iterator[Row]:
    models = prepare_package(root, network, precision)
    package = ModelRepository(models).open(network, 1)
    model = RawModel(package, precision, provider=choose_provider(device).name)
    files = draw_photographs(16)
    each = seconds / PARTS
    raw = best_layout(model, batches=BATCHES, seconds=each).images_per_second
    decoder = decode_rate(model, files, seconds=each)
    pictures = classify_traffic(network, model, files)
    tensors = infer_traffic(network, model, images_per_call=IMAGES_PER_CALL)
    options = ("--device", device, "--precision", precision, "--drain-seconds", "0", "--max-batch-size", "128")
    with running_service(models, *options) as service:
        yield _closed("tensors", service.target, tensors, CALLS_IN_FLIGHT, raw, each)
        row = _closed("jpeg", service.target, pictures, PICTURES_IN_FLIGHT, min(raw, decoder), each)
        yield row
        unloaded = run_load(Job(**pictures.fields, target=service.target, seconds=each)).percentile(99)
        rate = SHARE_OF_CAPACITY * float(row["images/s"] or 0)
        opened = run_load(Job(**pictures.fields, target=service.target, seconds=each, rate=rate))
        yield {
            "row": "open",
            "images/s": opened.images_per_second,
            "p99 ms": 1000 * opened.percentile(99),
            "limit": f"2 x unloaded p99 {1000 * unloaded:.2f} ms",
            "ratio": opened.percentile(99) / unloaded,
            "failed": opened.failed,
        }
    yield _steady(model, each)


def _closed(name: str, target: str, traffic: Traffic, in_flight: int, limit: float, seconds: float) -> Row:
    load = run_load(Job(**traffic.fields, target=target, seconds=seconds, in_flight=in_flight))
    return {
        "row": name,
        "images/s": load.images_per_second,
        "p99 ms": 1000 * load.percentile(99),
        "limit": f"{limit:.0f}/s",
        "ratio": load.images_per_second / limit,
        "failed": load.failed,
    }


def _steady(model: RawModel, seconds: float) -> Row:
    """Once each size was warmed, as the service warms them: the slowest run as a multiple of its size's median."""
    run = model.session(1)
    worst = 0.0
    for batch in BATCHES:
        images = model.random_images(batch)
        for _ in range(3):
            run(images)
        times: list[float] = []
        end = time.perf_counter() + seconds / len(BATCHES)
        while time.perf_counter() < end or len(times) < 10:
            began = time.perf_counter()
            run(images)
            times.append(time.perf_counter() - began)
        worst = max(worst, max(times) / statistics.median(times))
    return {"row": "steady", "limit": "3 x the median", "ratio": worst}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--precision", type=Precision, default=Precision.FP16)
    parser.add_argument("--device", type=Device, default=Device.CUDA, help="cpu tries the script itself")
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--root", type=Path, default=ROOT / "var" / "benchmarks", help="where the packages are kept")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = list(measure(given.network, given.precision, given.device, given.root, given.seconds))
    report(f"{given.network} {given.precision} on {given.device}", rows, file=given.json)


if __name__ == "__main__":
    main()
