"""A running service as a benchmark sees it: loads of one kind of traffic, what they cost it, and a row of a table."""

import statistics

import psutil

from benchmarks.limits import RawModel
from benchmarks.load import WARM_SECONDS, Job, Load, run_load
from benchmarks.report import Row
from benchmarks.traffic import Traffic
from tests.integration.running_service import RunningService

MIB = 2**20


class Bench:
    """One scenario: what is sent, to which service, for how long."""

    def __init__(self, service: RunningService, model: RawModel, traffic: Traffic, seconds: float) -> None:
        self._service = service
        self._process = psutil.Process(service.process.pid)
        self._model = model
        self._traffic = traffic
        self._seconds = seconds

    def closed(self, in_flight: int, *, fast: bool = False, by: str = "benchmarks.load") -> tuple[Load, float]:
        """The load, and the processor seconds that the service spent on an image; `fast` asks the second gRPC door."""
        target = self._service.fast_target if fast else self._target
        return self._run(Job(**self._traffic.fields, target=target, seconds=self._seconds, in_flight=in_flight), by)

    def open(self, rate: float) -> tuple[Load, float]:
        return self._run(Job(**self._traffic.fields, target=self._target, seconds=self._seconds, rate=rate))

    def echo(self, target: str, in_flight: int) -> Load:
        return run_load(Job(**self._traffic.of_echo, target=target, seconds=self._seconds, in_flight=in_flight))

    @property
    def memory(self) -> float:
        return self._process.memory_info().rss / MIB

    @property
    def _target(self) -> str:
        return self._service.target

    def _run(self, job: Job, by: str = "benchmarks.load") -> tuple[Load, float]:
        used = _cpu(self._process)
        load = run_load(job, by=by)
        share = job.seconds / (job.seconds + WARM_SECONDS)  # the load's warm-up is in what the service spent
        return load, (_cpu(self._process) - used) * share / max(load.images, 1)


def row_of(in_flight: int, runs: list[tuple[Load, float]], limit: float, bench: Bench, limited_by: str) -> Row:
    loads = [load for load, _ in runs]
    rate = statistics.median(load.images_per_second for load in loads)
    return {
        "in flight": in_flight,
        "images/s": rate,
        "limit/s": limit,
        "ratio": rate / limit,
        **{
            f"p{share} ms": 1000 * statistics.median(load.percentile(share) for load in loads) for share in (50, 95, 99)
        },
        "failed": sum(load.failed for load in loads),
        "service CPU ms/image": 1000 * statistics.median(seconds for _, seconds in runs),
        "client CPU ms/image": 1000 * statistics.median(load.client_cpu_seconds / load.images for load in loads),
        "MiB": bench.memory,
        "limit": limited_by,
    }


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
