"""The memory of the service over very many requests: tensors and small JPEG files in turns, through real gRPC.

Every answer is checked. What the process holds is told after every so many requests; how much it grew is counted from
the end of the warm-up. With more than --most-growth MiB more at the end, the exit code is 1.

Example: .venv/bin/python benchmarks/memory.py --requests 200000 --json memory.json
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import asyncio
import io
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "proto"), str(ROOT / "client")]

from benchmarks.arguments import count
from benchmarks.limits import RawModel
from benchmarks.packages import FASHION_CNN, prepare_package
from benchmarks.readers import READERS
from benchmarks.report import report
from benchmarks.traffic import Traffic, classify_traffic, infer_traffic
from service.models.repository import ModelRepository
from tests.integration.running_service import running_service

IN_FLIGHT = 16
SIDES = (20, 200)
"""Of the pictures, in pixels: no two of them leave the same gap in the memory."""
PICTURES = 64
OPTIONS = ("--device", "cpu", "--drain-seconds", "0")
MIB = 2**20


def small_pictures() -> tuple[bytes, ...]:
    """JPEG files of chance content and of sizes between the two sides."""
    chance = np.random.default_rng(0)
    files = []
    for _ in range(PICTURES):
        width, height = chance.integers(*SIDES, size=2)
        buffer = io.BytesIO()
        coarse = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        coarse.resize((int(width), int(height)), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        files.append(buffer.getvalue())
    return tuple(files)


async def send(target: str, kinds: list[Traffic], requests: int) -> None:
    """So many calls, the kinds in turns. Raises where one fails, and RuntimeError where an answer is wrong."""
    async with grpc.aio.insecure_channel(target) as channel:
        calls: list[tuple[Traffic, Any]] = [(kind, channel.unary_unary(kind.method)) for kind in kinds]
        turns = iter(range(requests))

        async def flow() -> None:
            for number in turns:
                kind, call = calls[number % len(kinds)]
                place = number // len(kinds) % len(kind.requests)
                found = READERS[kind.method](await call(kind.requests[place]))
                right = kind.best[place]
                if any(index not in indices for index, indices in zip(found, right, strict=True)):
                    raise RuntimeError(f"request {number} of {kind.method} was answered with {found}, not {right}")

        async with asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(flow())


def held(process: psutil.Process, requests: int, seconds: float) -> dict[str, float]:
    memory = process.memory_full_info()
    return {
        "requests": requests,
        "RSS MiB": memory.rss / MIB,
        "alone (USS) MiB": memory.uss / MIB,
        "threads": process.num_threads(),
        "descriptors": process.num_fds(),
        "seconds": seconds,
    }


def watched(root: Path, *, requests: int, warm: int, every: int) -> Iterator[dict[str, float]]:
    """What the process holds after the warm-up, and then after every so many requests."""
    models = prepare_package(root, FASHION_CNN)
    model = RawModel(ModelRepository(models).open(FASHION_CNN, 1))
    kinds = [
        infer_traffic(FASHION_CNN, model, images_per_call=1),
        classify_traffic(FASHION_CNN, model, small_pictures()),
        infer_traffic(FASHION_CNN, model, images_per_call=8),
    ]
    with running_service(models, *OPTIONS) as service:
        process = psutil.Process(service.process.pid)
        asyncio.run(send(service.target, kinds, warm))
        yield held(process, 0, 0.0)
        began = time.monotonic()
        for begin, end in itertools.pairwise([*range(0, requests, every), requests]):
            asyncio.run(send(service.target, kinds, end - begin))
            yield held(process, end, time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=count, default=200_000)
    parser.add_argument("--warm", type=count, default=10_000, help="requests before the first look")
    parser.add_argument("--every", type=count, default=10_000, help="requests between two looks")
    parser.add_argument("--most-growth", type=float, default=20.0, metavar="MIB")
    parser.add_argument("--root", type=Path, default=ROOT / "var" / "benchmarks", help="where the package is kept")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, float]] = []
    for row in watched(given.root, requests=given.requests, warm=given.warm, every=given.every):
        rows.append(row)
        print(", ".join(f"{name} {round(value, 1):,}" for name, value in row.items()), flush=True)
    growth = max(rows[-1][name] - rows[0][name] for name in ("RSS MiB", "alone (USS) MiB"))
    report("memory over many requests", rows, file=given.json)
    print(f"grown by {growth:.1f} MiB, at most {given.most_growth:g} are allowed")
    sys.exit(growth > given.most_growth)


if __name__ == "__main__":
    main()
