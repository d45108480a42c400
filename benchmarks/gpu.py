"""The GPU rows: a ResNet-50 as uint8 tensors and as JPEG, against raw ONNX Runtime on CUDA in the same run.

    package   exports the network with random weights, which takes no data
    raw       ONNX Runtime in this process, in every way it can be called (gpu_raw.py), and the decoder alone, in one
              process with more and more threads and in a process for each core
    serve     tensors, pictures, pictures several to a call, and pictures by chance at 0.8 of what single ones reached
    steady    every batch after READY against the median of its size, in the service's own engine
    report    one table of all that was measured

Each step writes its rows below --work, and a step or a row that fails leaves the others alone.

Example: python benchmarks/gpu.py raw --network resnet50 --precision fp16 --seconds 30 --work /tmp/gpu
(benchmarks/gpu.sh runs all of them)
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto"), str(ROOT / "client")]

from typing import TYPE_CHECKING

from benchmarks.gpu_raw import Raw
from benchmarks.limits import RawModel, decode_rate
from benchmarks.pictures import draw_photographs
from benchmarks.report import Row, report
from service.allocator import keep_freed_memory
from service.engine.execution import GPU_PROVIDERS, Options, options_of
from service.engine.providers import Device, choose_provider
from service.engine.session import available_cores, quiet_runtime
from service.models.choice import options_for
from service.models.manifest import Precision
from service.models.repository import ModelRepository, Package

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

PICTURES = 16
DECODE_THREADS = (2, 4, 8)
"""Besides as many as there are cores."""
LONGEST_START_SECONDS = 40.0
BATCHES = (1, 8, 32, 64, 128, 256)
LARGE = 128
VARIANTS = (("prefer_nhwc=0", LARGE),)
"""Of the provider's options, against the service's defaults, each with a batch that it is measured at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is measured, for how long, and where it is written."""

    network: str
    precision: Precision
    device: Device
    options: str
    seconds: float
    work: Path
    json: Path | None

    @property
    def models(self) -> Path:
        return self.work / ("models" if self.precision is Precision.FP32 else f"models-{self.precision}")

    def package(self) -> Package:
        return ModelRepository(self.models).open(self.network, 1)

    def model(self) -> RawModel:
        provider = choose_provider(self.device).name
        options = self._options(provider, self.options)
        return RawModel(self.package(), self.precision, provider=provider, provider_options=options)

    def raw(self, options: str) -> Raw:
        package = self.package()
        spec, provider = package.manifest.input, choose_provider(self.device).name
        return Raw(
            graph=package.read(package.manifest.variants[self.precision].file),
            tensor=spec.tensor,
            output=package.manifest.outputs.logits,
            shape=(spec.height, spec.width, spec.channels),
            provider=provider,
            options=self._options(provider, options),
        )

    def _options(self, provider: str, options: str) -> Options:
        """As the service's loader gives them for this precision."""
        return options_for(self.precision, options_of(options), provider=provider)

    def note(self, rows: Iterable[Row]) -> None:
        """Each row as soon as it is there, on the terminal and for the report."""
        for row in rows:
            named = {"network": f"{self.network} {self.precision}", **row}
            print("  ".join(f"{name}={_short(value)}" for name, value in named.items()), flush=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(named) + "\n")

    def rows(self) -> list[Row]:
        if not self._file.exists():
            return []
        return [json.loads(line) for line in self._file.read_text(encoding="utf-8").splitlines()]

    @property
    def _file(self) -> Path:
        return self.work / "rows.jsonl"

    def guarded(self, name: str, measure: Callable[[], Row]) -> None:
        """A row, or why there is none."""
        try:
            self.note([measure()])
        except Exception as error:  # noqa: BLE001 - the rows after it are wanted all the same
            traceback.print_exc()
            sys.stderr.flush()
            reason = str(error).strip().splitlines()[-1][:160] if str(error) else repr(error)
            self.note([{"row": name, "failed": reason}])


def raw(bench: Bench) -> None:
    on_gpu = choose_provider(bench.device).name in GPU_PROVIDERS
    ways = ("graph", "bound", "plain") if on_gpu else ("plain", "bound")
    batches = BATCHES if on_gpu else BATCHES[:2]
    variants = VARIANTS if on_gpu else ()
    each = bench.seconds / (len(batches) * len(ways) + len(variants) + 2 * (len(DECODE_THREADS) + 1))
    defaults = bench.raw(bench.options)
    for way in ways:
        for batch in batches:
            bench.guarded(f"raw {way}", lambda way=way, batch=batch: _raw_row(defaults, way, batch, each))  # type: ignore[misc]
    keep_freed_memory()
    pictures = draw_photographs(PICTURES)
    cores = available_cores()
    for threads in sorted({min(threads, cores) for threads in DECODE_THREADS} | {cores}):
        bench.guarded("decoder", lambda threads=threads: _decoder_row(bench, pictures, threads, 2 * each))  # type: ignore[misc]
    bench.guarded("decoder in processes", lambda: _processes_row(bench, pictures, cores, 2 * each))
    for options, batch in variants:
        bench.guarded(f"raw {options}", lambda options=options, batch=batch: _variant_row(bench, options, batch, each))  # type: ignore[misc]


def _raw_row(raw: Raw, way: str, batch: int, seconds: float) -> Row:
    began = time.perf_counter()
    rate = raw.rate(way, batch, seconds)
    spent = time.perf_counter() - began - seconds
    return {"row": f"raw {way}", "batch": batch, "images/s": rate, "ms": 1000 * batch / rate, "warm-up s": spent}


def _variant_row(bench: Bench, options: str, batch: int, seconds: float) -> Row:
    return {**_raw_row(bench.raw(options), "graph", batch, seconds), "row": f"variant {options}"}


def _decoder_row(bench: Bench, pictures: Sequence[bytes], threads: int, seconds: float) -> Row:
    """As the service decodes: in threads of one process."""
    rate = decode_rate(bench.model(), pictures, seconds=seconds, threads=threads)
    return {"row": "decoder", "images/s": rate, "threads": threads, "limit": f"{threads} threads"}


def _processes_row(bench: Bench, pictures: Sequence[bytes], processes: int, seconds: float) -> Row:
    """What the cores could do if nothing were shared."""
    context = get_context("spawn")
    together, rates = context.Barrier(processes), context.SimpleQueue()
    task = (bench, tuple(pictures), seconds, together, rates)
    workers = [context.Process(target=_decode_alone, args=task, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(LONGEST_START_SECONDS)
    if any(worker.exitcode != 0 for worker in workers):
        raise RuntimeError("not every process that was to decode did")
    total = sum(rates.get() for _ in workers)
    return {"row": "decoder in processes", "images/s": total, "limit": f"{processes} processes"}


def _decode_alone(
    bench: Bench, pictures: tuple[bytes, ...], seconds: float, together: Barrier, rates: "SimpleQueue[float]"
) -> None:
    keep_freed_memory()
    model = bench.model()
    together.wait(LONGEST_START_SECONDS)
    rates.put(decode_rate(model, pictures, seconds=seconds, threads=1))


def report_all(bench: Bench) -> None:
    names = ("row", "images/s", "ratio", "p99 ms", "batch", "ms", "limit", "failed")
    rows = [{name: row.get(name) for name in ("network", *names)} for row in bench.rows()]
    report(f"GPU, {bench.device}", rows, file=None)
    if bench.json is not None:
        bench.json.write_text(json.dumps(bench.rows(), indent=1) + "\n", encoding="utf-8")


def package(bench: Bench) -> None:
    """Only here is torch needed."""
    from benchmarks.packages import prepare_package

    began = time.perf_counter()
    prepare_package(bench.work, bench.network, bench.precision)
    bench.note([{"row": "package", "ms": 1000 * (time.perf_counter() - began)}])


def serve(bench: Bench) -> None:
    from benchmarks.gpu_serve import serve_rows

    try:
        serve_rows(bench)
    except AssertionError as error:  # it did not start, with the golden samples against it for one
        if choose_provider(bench.device).name not in GPU_PROVIDERS:
            raise
        bench.note([{"row": "ready", "failed": str(error)[-600:]}])
        serve_rows(replace(bench, options="prefer_nhwc=0"))


def steady(bench: Bench) -> None:
    from benchmarks.gpu_steady import steady_row

    bench.guarded("steady", lambda: steady_row(bench))


STEP = {"package": package, "raw": raw, "serve": serve, "steady": steady, "report": report_all}


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=STEP)
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--precision", type=Precision, default=Precision.FP16)
    parser.add_argument("--device", type=Device, default=Device.CUDA, help="cpu tries the script itself")
    parser.add_argument("--options", default="", help="of the execution provider, as NAME=VALUE,NAME=VALUE")
    parser.add_argument("--seconds", type=float, default=30, help="that this step measures, without its warm-ups")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "benchmarks", help="packages and rows")
    parser.add_argument("--json", type=Path, help="file for all rows, with report")
    given = parser.parse_args()
    quiet_runtime()
    given.work.mkdir(parents=True, exist_ok=True)
    fields = {name: value for name, value in vars(given).items() if name != "step"}
    STEP[given.step](Bench(**fields))


if __name__ == "__main__":
    main()
