"""What the model is fed with, measured here and now: seconds of one core for each step, and real runs beside it."""

import asyncio
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from recognition_client import AsyncRecognitionClient

from benchmarks.fleet_replica import Costs
from service.engine.decode import ImageLimits, decode
from service.engine.preprocess import preprocess
from service.engine.providers import CPU_PROVIDER
from service.engine.session import Session
from service.models.golden import GoldenSamples
from service.models.manifest import GOLDEN_FILE, Precision
from service.models.repository import ModelRepository, Package
from tests.integration.running_service import RunningService, running_service

SIZES = (1, 2, 4, 8, 16, 32, 64)
OPTIONS = ("--device", "cpu", "--threads", "1", "--decode-threads", "1", "--precision", "fp32", "--drain-seconds", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRun:
    """What a real run gave; processor seconds are those of the client and of all replicas for one call."""

    seconds: list[float]
    per_second: float
    client_seconds: float
    service_seconds: float
    others_cores: float
    """Cores that other processes of the machine kept busy meanwhile; 0 is what a measurement wants."""


def package_of(models: Path, name: str) -> Package:
    repository = ModelRepository(models)
    return repository.open(name, repository.selected(name)[-1])


def images_of(package: Package) -> tuple[bytes, ...]:
    return GoldenSamples.from_bytes(package.read(GOLDEN_FILE)).images


def measure_costs(package: Package, run: RealRun) -> Costs:
    """`run` is one of a single replica at its limit: what it spent beyond decoding and computing is the loop's."""
    batch = dict(_batch_costs(package))
    decoding = _decode_seconds(package)
    computing = min(seconds / size for size, seconds in batch.items())
    loop = max(0.0, run.service_seconds - decoding - computing)
    return Costs(client=run.client_seconds, loop=loop, decode=decoding, batch=batch)


def _batch_costs(package: Package) -> Iterator[tuple[int, float]]:
    manifest = package.manifest
    session = Session.load(
        package.read(manifest.variants[Precision.FP32].file),
        provider=CPU_PROVIDER,
        threads=1,
        tensor=manifest.input.tensor,
        outputs=manifest.outputs,
    )
    for size in SIZES:
        images = np.zeros((size, manifest.input.height, manifest.input.width, manifest.input.channels), dtype=np.uint8)
        yield size, _median_seconds(lambda images=images: session.run(images))  # type: ignore[misc] # mypy sees a default


def _decode_seconds(package: Package) -> float:
    spec, limits = package.manifest.input, ImageLimits()
    images = images_of(package)

    def prepare() -> None:
        for image in images:
            preprocess(decode(image, pixel_format=spec.pixel_format, limits=limits), spec)

    return _median_seconds(prepare) / len(images)


def _median_seconds(work: Callable[[], object]) -> float:
    work()
    times: list[float] = []
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end or len(times) < 5:
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def real_run(models: Path, package: Package, *, replicas: int, callers: int, calls: int) -> RealRun:
    """Real processes on this machine behind the client's round_robin, at their limit."""
    with fleet_of(models, replicas) as services:
        target = "ipv4:" + ",".join(f"127.0.0.1:{service.grpc_port}" for service in services)
        asyncio.run(_ask(target, package, callers=callers, calls=calls // 10))
        before = [_processor_seconds(service) for service in services]
        own, busy, began = _own_seconds(), _busy_seconds(), time.perf_counter()
        seconds = asyncio.run(_ask(target, package, callers=callers, calls=calls))
        elapsed = time.perf_counter() - began
        busy = _busy_seconds() - busy
        own = _own_seconds() - own
        spent = sum(_processor_seconds(service) for service in services) - sum(before)
        return RealRun(
            seconds=seconds,
            per_second=calls / elapsed,
            client_seconds=own / calls,
            service_seconds=spent / calls,
            others_cores=max(0.0, busy - own - spent) / elapsed,
        )


@contextmanager
def fleet_of(models: Path, replicas: int) -> Iterator[list[RunningService]]:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    command = (sys.executable, "-m", "service")
    with ExitStack() as stack:
        yield [stack.enter_context(running_service(models, *OPTIONS, command=command)) for _ in range(replicas)]


async def _ask(target: str, package: Package, *, callers: int, calls: int) -> list[float]:
    images, seconds = images_of(package), []
    numbers = iter(range(calls))

    async def caller(client: AsyncRecognitionClient) -> None:
        for number in numbers:
            began = time.perf_counter()
            await client.classify(images[number % len(images)], model=package.manifest.name)
            seconds.append(time.perf_counter() - began)

    async with AsyncRecognitionClient(target) as client, asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller(client))
    return seconds


def _busy_seconds() -> float:
    """Of all cores of the machine, whoever kept them busy."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _processor_seconds(service: RunningService) -> float:
    times = psutil.Process(service.process.pid).cpu_times()
    return float(times.user + times.system)


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
