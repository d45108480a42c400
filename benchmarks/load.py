"""The load generator, a process of its own: sends gRPC calls over one channel, checks every answer, prints what it saw.

Reads a Job as JSON from its standard input and prints a Load as JSON. `run_load` starts one and waits for it.
"""

import asyncio
import base64
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import grpc
import numpy as np
import uvloop

from benchmarks.readers import FAILED, READERS

ROOT = Path(__file__).resolve().parents[1]
WARM_SECONDS = 0.5
LARGEST_MESSAGE = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to send, and how: `in_flight` calls at a time, or `rate` calls a second as they come by chance (Poisson)."""

    target: str
    method: str
    requests: tuple[bytes, ...]
    best: tuple[tuple[tuple[int, ...], ...], ...]
    """For each request, for each of its images: the labels' indices that are right as the best answer."""
    seconds: float
    in_flight: int = 1
    rate: float | None = None
    connections: int = 1
    """That the calls take in turn; a server in several processes shares connections among them, not calls."""
    seed: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"requests": [base64.b64encode(item).decode() for item in self.requests]})

    @classmethod
    def from_json(cls, text: str) -> "Job":
        fields = json.loads(text)
        fields["requests"] = tuple(base64.b64decode(item) for item in fields["requests"])
        fields["best"] = tuple(tuple(tuple(indices) for indices in images) for images in fields["best"])
        return cls(**fields)


@dataclass(slots=True, kw_only=True)
class Load:
    """What came of it. Latencies are in seconds, those of an open loop from when the call was due."""

    calls: int = 0
    images: int = 0
    wrong: int = 0
    failed: int = 0
    seconds: float = 0.0
    client_cpu_seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    failures: dict[str, int] = field(default_factory=dict)

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds

    @property
    def images_per_second(self) -> float:
        return self.images / self.seconds

    def percentile(self, share: float) -> float:
        return float(np.percentile(self.latencies, share)) if self.latencies else float("nan")


def run_load(job: Job, *, by: str = "benchmarks.load") -> Load:
    """`by` is the generator's module. Raises RuntimeError where an answer was wrong: that it was fast is no result."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "proto", ROOT / "client")))}
    command = [sys.executable, "-m", by]
    done = subprocess.run(
        command, input=job.to_json(), capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load generator failed:\n{done.stderr[-2000:]}")
    load = Load(**json.loads(done.stdout))
    if load.wrong:
        raise RuntimeError(f"{load.wrong} of {load.images} answers were wrong")
    return load


def run_loads(job: Job, processes: int) -> Load:
    """The same shared among several processes, where one could not send enough."""
    rate = None if job.rate is None else job.rate / processes
    share = replace(job, in_flight=max(1, job.in_flight // processes), rate=rate)
    with ThreadPoolExecutor(processes) as pool:
        loads = list(pool.map(run_load, [replace(share, seed=job.seed + number) for number in range(processes)]))
    together = Load(seconds=max(load.seconds for load in loads))
    for load in loads:
        together.calls += load.calls
        together.images += load.images
        together.failed += load.failed
        together.client_cpu_seconds += load.client_cpu_seconds
        together.latencies += load.latencies
        for name, count in load.failures.items():
            together.failures[name] = together.failures.get(name, 0) + count
    return together


class _Sender:
    def __init__(self, job: Job, call: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._job = job
        self._call = call
        self._read = READERS[job.method]
        self.load = Load()
        self.measuring = False
        """Whether an answer that comes now counts."""

    @asynccontextmanager
    async def measured(self) -> AsyncIterator[None]:
        """What is answered meanwhile counts."""
        used, began = cpu_seconds(), time.perf_counter()
        self.measuring = True
        yield
        self.measuring = False
        self.load.seconds = time.perf_counter() - began
        self.load.client_cpu_seconds = cpu_seconds() - used

    async def send(self, place: int, due: float) -> None:
        try:
            answer = await self._call(self._job.requests[place])
        except grpc.RpcError as error:
            if self.measuring:
                name = error.code().name if isinstance(error, grpc.aio.AioRpcError) else "UNKNOWN"
                self.load.failed += 1
                self.load.failures[name] = self.load.failures.get(name, 0) + 1
            return
        latency = time.perf_counter() - due
        right = self._job.best[place]
        found = self._read(answer)
        self.load.wrong += _wrong(found, right)
        if not self.measuring:
            return
        self.load.latencies.append(latency)
        self.load.calls += 1
        self.load.images += len(right) - found.count(FAILED)
        self.load.failed += found.count(FAILED)


def _wrong(found: Sequence[int], right: Sequence[Sequence[int]]) -> int:
    """How many of a call's images have another label than they should have."""
    if len(found) != len(right):
        return len(right)
    return sum(index not in indices for index, indices in zip(found, right, strict=True) if index != FAILED)


async def generate(job: Job) -> Load:
    options = [("grpc.max_receive_message_length", LARGEST_MESSAGE), ("grpc.max_send_message_length", LARGEST_MESSAGE)]
    options.append(("grpc.use_local_subchannel_pool", 1))
    async with AsyncExitStack() as stack:
        channels = [grpc.aio.insecure_channel(job.target, options=options) for _ in range(job.connections)]
        calls = [(await stack.enter_async_context(channel)).unary_unary(job.method) for channel in channels]
        sender = _Sender(job, calls[0] if len(calls) == 1 else _in_turn(calls))
        await (_closed_loop(job, sender) if job.rate is None else _open_loop(job, sender, rate=job.rate))
    return sender.load


def _in_turn(calls: Sequence[Callable[[bytes], Awaitable[bytes]]]) -> Callable[[bytes], Awaitable[bytes]]:
    turns = itertools.cycle(calls)

    def call(request: bytes) -> Awaitable[bytes]:
        return next(turns)(request)

    return call


async def _closed_loop(job: Job, sender: _Sender) -> None:
    """As many calls are under way when the measuring begins and ends as between: the last ones, when no others follow
    and cores have nothing to do, are not what is asked for.
    """
    ended = False

    async def one(first: int) -> None:
        place = first
        while not ended:
            await sender.send(place % len(job.requests), time.perf_counter())
            place += job.in_flight

    calls: asyncio.Future[list[None]] = asyncio.gather(*(one(first) for first in range(job.in_flight)))
    await asyncio.sleep(WARM_SECONDS)
    async with sender.measured():
        await asyncio.sleep(job.seconds)
    ended = True
    await calls


async def _open_loop(job: Job, sender: _Sender, *, rate: float) -> None:
    """Every call that was due in time is waited for."""
    await _calls_by_chance(job, sender, WARM_SECONDS, rate=rate)
    async with sender.measured():
        await _calls_by_chance(job, sender, job.seconds, rate=rate)


async def _calls_by_chance(job: Job, sender: _Sender, seconds: float, *, rate: float) -> None:
    chance = random.Random(job.seed)
    due = time.perf_counter()
    end = due + seconds
    tasks: set[asyncio.Task[None]] = set()
    place = 0
    while (due := due + chance.expovariate(rate)) < end:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.ensure_future(sender.send(place % len(job.requests), due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        place += 1
    await asyncio.gather(*tasks)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tell(load: Load) -> None:
    """Through a buffer: where PYTHONUNBUFFERED is set, `print` cuts a long line off when the pipe is full."""
    with open(sys.stdout.fileno(), "w", closefd=False) as output:
        json.dump(asdict(load), output)


if __name__ == "__main__":
    tell(uvloop.run(generate(Job.from_json(sys.stdin.read()))))
