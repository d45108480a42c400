"""The engine without a network: the batcher and its session beside raw ONNX Runtime, in turns in the same run.

`python -m benchmarks.engine --work DIR` measures ResNet-18 at 224 px: one image in flight against the best layout for
one image, 32 in flight against the best layout for many; with `--memory N` how memory grows over N requests of the
Fashion-MNIST CNN, and what an idle engine takes. Ratios are medians of rounds in which each side has its turn.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.packages import FASHION_CNN, RESNET18, prepare_packages
from service.engine.batch_policy import BatchPolicy
from service.engine.batcher import Batcher
from service.engine.providers import CPU_PROVIDER
from service.engine.session import Outputs, Session, available_cores
from service.models.manifest import Precision
from service.models.repository import ModelRepository, Package

Images = npt.NDArray[np.uint8]
MANY = 32
WARM_UP_SIZES = (1, 2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One way of computing: milliseconds of wall and of processor time for an image, medians over the rounds."""

    name: str
    milliseconds: float
    processor_milliseconds: float
    rounds: int


def open_session(package: Package, threads: int) -> Session:
    manifest = package.manifest
    return Session.load(
        package.read(manifest.variants[Precision.FP32].file),
        provider=CPU_PROVIDER,
        threads=threads,
        tensor=manifest.input.tensor,
        outputs=manifest.outputs,
    )


def drawn(package: Package, count: int) -> Images:
    spec = package.manifest.input
    shape = (count, spec.height, spec.width, spec.channels)
    return np.random.default_rng(0).integers(0, 256, size=shape, dtype=np.uint8)


class Engine:
    """The batcher as the service builds it: one session, a lane for each core."""

    def __init__(self, session: Session, images: Images, lanes: int) -> None:
        self._session = session
        self._images = images
        self._pool = ThreadPoolExecutor(lanes)
        self._batcher = Batcher(self._run, BatchPolicy(lanes=lanes))

    async def start(self) -> None:
        costs = {}
        for size in WARM_UP_SIZES:
            images = np.repeat(self._images[:1], size, axis=0)
            costs[size] = min(_seconds(partial(self._session.run, images)) for _ in range(3))
        self._batcher.expect(costs)
        await self._batcher.start()

    async def closed_loop(self, *, in_flight: int, images: int) -> None:
        """So many images, never more than `in_flight` of them at a time."""
        left = iter(range(images))

        async def caller() -> None:
            for place in left:
                await self._batcher.submit(self._images[place % len(self._images)])

        await asyncio.gather(*(caller() for _ in range(in_flight)))

    async def stop(self) -> None:
        await self._batcher.drain()
        self._pool.shutdown()

    async def _run(self, images: Images) -> Outputs:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._session.run, images)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def measure(package: Package, seconds: float) -> list[Line]:
    """Raw layouts and the engine, in turns."""
    cores = available_cores()
    images = drawn(package, MANY)
    wide, narrow = open_session(package, cores), open_session(package, 1)
    engine = Engine(wide, images, cores)
    await engine.start()
    pool = ThreadPoolExecutor(cores)

    def side_by_side(session: Session, size: int) -> None:
        parts = [images[:size]] * cores
        list(pool.map(session.run, parts))

    async def raw(work: Callable[[], object]) -> None:
        await asyncio.to_thread(work)

    ways: dict[str, tuple[int, Callable[[], Awaitable[None]]]] = {
        "raw: all cores, one image": (1, lambda: raw(partial(wide.run, images[:1]))),
        "raw: one core, one image": (1, lambda: raw(partial(narrow.run, images[:1]))),
        "raw: a core for each image": (cores, lambda: raw(partial(side_by_side, narrow, 1))),
        "raw: a core for each batch of 8": (8 * cores, lambda: raw(partial(side_by_side, narrow, 8))),
        "raw: all cores, a batch of 8": (8, lambda: raw(partial(wide.run, images[:8]))),
        "raw: all cores, a batch of 32": (MANY, lambda: raw(partial(wide.run, images))),
        "engine: 1 in flight": (4, lambda: engine.closed_loop(in_flight=1, images=4)),
        f"engine: {MANY} in flight": (2 * MANY, lambda: engine.closed_loop(in_flight=MANY, images=2 * MANY)),
    }
    lines = await _in_turns(ways, seconds)
    await engine.stop()
    pool.shutdown()
    return lines


async def _in_turns(ways: dict[str, tuple[int, Callable[[], Awaitable[None]]]], seconds: float) -> list[Line]:
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _, way in ways.values():
        await way()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, (count, way) in ways.items():
            began, processor = time.perf_counter(), time.process_time()
            await way()
            took = (time.perf_counter() - began) / count, (time.process_time() - processor) / count
            found[name].append(took)
    return [
        Line(
            name=name,
            milliseconds=1000 * statistics.median(wall for wall, _ in took),
            processor_milliseconds=1000 * statistics.median(processor for _, processor in took),
            rounds=len(took),
        )
        for name, took in found.items()
    ]


def ratios(lines: Sequence[Line]) -> dict[str, float]:
    """What the aims are stated in."""
    by_name = {line.name: line.milliseconds for line in lines}
    raw = {name: value for name, value in by_name.items() if name.startswith("raw")}
    alone = min(value for name, value in raw.items() if name.endswith("one image"))
    return {
        "latency with 1 in flight / best raw layout for one image (aim: at most 1.10)": (
            by_name["engine: 1 in flight"] / alone
        ),
        f"throughput with {MANY} in flight / best raw layout (aim: at least 0.97)": (
            min(raw.values()) / by_name[f"engine: {MANY} in flight"]
        ),
    }


async def memory(package: Package, requests: int) -> dict[str, float]:
    """MiB that the process grew by from the first tenth of the requests to the last, and the idle share of a core."""
    process, cores = psutil.Process(), available_cores()
    engine = Engine(open_session(package, cores), drawn(package, MANY), cores)
    await engine.start()
    await engine.closed_loop(in_flight=MANY, images=requests // 10)
    before = process.memory_info().rss
    await engine.closed_loop(in_flight=MANY, images=requests - requests // 10)
    growth = (process.memory_info().rss - before) / 2**20
    processor = time.process_time()
    await asyncio.sleep(5.0)
    idle = (time.process_time() - processor) / 5.0
    await engine.stop()
    return {"requests": requests, "growth in MiB (aim: at most 20)": growth, "idle, of a core (aim: 0.02)": idle}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="Example: python -m benchmarks.engine --work var/bench"
    )
    parser.add_argument("--work", type=Path, required=True, help="where the packages are made, or were before")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the layouts are compared")
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="measure memory over N requests instead")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    repository = ModelRepository(prepare_packages(options.work))
    print(f"{available_cores()} of {os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}")
    if options.memory:
        result = asyncio.run(memory(repository.open(FASHION_CNN, 1), options.memory))
        figures: dict[str, object] = dict(result)
    else:
        lines = asyncio.run(measure(repository.open(RESNET18, 1), options.seconds))
        for line in lines:
            print(
                f"{line.name:34} {line.milliseconds:8.2f} ms an image, {line.processor_milliseconds:8.2f} ms of "
                f"processor time, {line.rounds} rounds"
            )
        result = ratios(lines)
        figures = {"lines": [asdict(line) for line in lines], "ratios": result}
    for name, value in result.items():
        print(f"{name}: {value:,.3f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
