"""Images per second of batch jobs, next to the limit of the same machine at the same time.

The limit is 1 / (1/a + 1/b): a is the service's decoding alone, of images in memory, one process a core; b is ONNX
Runtime alone on all cores, as one session or one for each core, at its best batch size. `local` and `remote` are whole
jobs, from the first file that is read to the last part on the disk. All take turns, so that a busy machine is as unfair
to one as to another; the ratios are those of a round, and their median is shown.

Example: .venv/bin/python benchmarks/batch.py --models var/models --model fashion_cnn --images photos/ --remote
Memory:  .venv/bin/python benchmarks/batch.py --models var/models --model fashion_cnn --images photos/ --memory
"""

# ruff: noqa: E402 - the path comes first, see below

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # run as a script, `import batch` would find this very file

from batch.engines import Engine
from batch.engines.loaded_model import LoadedModel, ModelChoice
from batch.engines.local import LocalEngine
from batch.engines.remote import RemoteEngine
from batch.engines.served_choice import ServedChoice
from batch.job import Job, JobSettings
from batch.plan import Question
from batch.store import FolderStore
from service.engine.providers import Device
from service.engine.session import available_cores

BATCH_SIZES = (1, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one measuring process does when it is told to."""

    kind: str
    choice: ModelChoice
    files: tuple[str, ...]
    threads: int = 1


def measure(connection: Connection, task: Task) -> None:
    """The life of a measuring process: prepares, then answers each number of images or batch size with its seconds."""
    model = LoadedModel(task.choice, threads=task.threads, batch_size=64, max_image_bytes=10 * 2**20)
    images = [Path(file).read_bytes() for file in task.files]
    prepare, run = model.live.classifier.prepare, model.live.session.run
    tensors = np.stack([prepare(image).tensor for image in images[:64]])
    connection.send("ready")
    while (command := connection.recv()) is not None:
        began = time.perf_counter()
        if task.kind == "decode":
            for image in images:
                prepare(image)
            count = len(images)
        else:
            size, rounds = command
            for _ in range(rounds):
                run(tensors[:size])
            count = size * rounds
        connection.send((count, time.perf_counter() - began))


class Team:
    """Processes that measure side by side."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections, theirs = zip(*(context.Pipe() for _ in tasks), strict=True)
        self._processes = [
            context.Process(target=measure, args=(end, task), daemon=True)
            for end, task in zip(theirs, tasks, strict=True)
        ]
        for process in self._processes:
            process.start()
        for connection in self._connections:
            connection.recv()

    def rate(self, command: tuple[int, int] = (0, 0)) -> float:
        """Images per second of all together."""
        for connection in self._connections:
            connection.send(command)
        answers = [connection.recv() for connection in self._connections]
        return float(sum(count for count, _ in answers) / max(seconds for _, seconds in answers))

    def close(self) -> None:
        for connection, process in zip(self._connections, self._processes, strict=True):
            connection.send(None)
            process.join()


class Limit:
    """Decoding alone and inference alone."""

    def __init__(self, choice: ModelChoice, files: Sequence[str], *, cores: int, per_batch: int) -> None:
        parts = [tuple(files[core::cores]) for core in range(cores)]
        self._per_batch = per_batch
        self._decode = Team([Task(kind="decode", choice=choice, files=part) for part in parts])
        few = tuple(files[:64])
        self._wide = Team([Task(kind="infer", choice=choice, files=few, threads=cores)])
        self._narrow = Team([Task(kind="infer", choice=choice, files=few)] * cores)
        self.sizes = {name: self._best(team) for name, team in (("wide", self._wide), ("narrow", self._narrow))}

    def _best(self, team: Team) -> int:
        return max(BATCH_SIZES, key=lambda size: team.rate((size, max(1, self._per_batch // 4 // size))))

    def rates(self) -> tuple[float, float]:
        """(a, b)."""
        rounds = {name: max(1, self._per_batch // size) for name, size in self.sizes.items()}
        wide = self._wide.rate((self.sizes["wide"], rounds["wide"]))
        narrow = self._narrow.rate((self.sizes["narrow"], rounds["narrow"]))
        return self._decode.rate(), max(wide, narrow)

    def close(self) -> None:
        for team in (self._decode, self._wide, self._narrow):
            team.close()


def job_rate(engine: Engine, source: str, shard_size: int) -> float:
    """Images per second of a whole job, without the loading of the model."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as out:
        settings = JobSettings(source=source, question=Question(), shard_size=shard_size)
        summary = Job(settings, engine, FolderStore(Path(out)), Console(stderr=True)).run().summary
    assert summary is not None  # noqa: S101 - a whole job has one
    return summary.images_per_second


@contextmanager
def served(models: str, replicas: int) -> Iterator[tuple[str, ...]]:
    """`recognition-serve` on free ports, as many as asked for."""
    ports = ("--grpc-port", "0", "--metrics-port", "0", "--no-http", "--device", "cpu", "--log-format", "json")
    command = [sys.executable, "-m", "service", "--models", models, *ports]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "proto", ROOT / "client")))}
    processes = []
    try:
        targets = []
        for _ in range(replicas):
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT)
            processes.append(process)
            targets.append(f"localhost:{_port(process)}")
        yield tuple(targets)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def _port(process: "subprocess.Popen[str]") -> int:
    port = 0
    assert process.stderr is not None  # noqa: S101 - it is a pipe
    for line in process.stderr:
        entry: dict[str, Any] = json.loads(line)
        port = entry["grpc_port"] if entry["event"] == "ports bound" else port
        if entry["event"] == "ready":
            return port
    raise SystemExit("the service did not start")


def compare(options: argparse.Namespace, choice: ModelChoice) -> None:
    cores = available_cores()
    files = sorted(str(path) for path in Path(options.images).rglob("*") if path.is_file())
    limit = Limit(choice, files[: options.most], cores=cores, per_batch=options.most)
    print(f"{len(files):,} images, {cores} cores, best batch sizes {limit.sizes}")
    rows: list[dict[str, float]] = []
    with served(options.models, options.replicas if options.remote else 0) as servers:
        for number in range(options.rounds):
            a, b = limit.rates()
            row = {"a": a, "b": b, "limit": 1 / (1 / a + 1 / b)}
            row["local"] = job_rate(LocalEngine(choice), options.images, options.shard_size)
            if servers:
                engine = RemoteEngine(ServedChoice(servers=servers, name=options.model))
                row["remote"] = job_rate(engine, options.images, options.shard_size)
            rows.append(row)
            print(f"round {number + 1}: " + ", ".join(f"{name} {value:,.1f}/s" for name, value in row.items()))
    limit.close()
    medians = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    print("medians: " + ", ".join(f"{name} {value:,.1f}/s" for name, value in medians.items()))
    print(f"local / limit: {statistics.median(row['local'] / row['limit'] for row in rows):.2f}")
    if "remote" in medians:
        print(f"remote / local: {statistics.median(row['remote'] / row['local'] for row in rows):.2f}")


def memory(options: argparse.Namespace) -> None:
    """Largest sum of what the command and its workers hold, for more and more images."""
    files = sorted(str(path) for path in Path(options.images).rglob("*") if path.is_file())
    for count in (1_000, 10_000, 60_000):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
            manifest = Path(scratch) / "m.csv"
            lines = [f"{number},{files[number % len(files)]}" for number in range(count)]
            manifest.write_text("id,path\n" + "\n".join(lines) + "\n", encoding="utf-8")
            words = [str(manifest), "--output", f"{scratch}/out", "--models", options.models, "--model", options.model]
            command = [sys.executable, "-m", "batch", *words, "--shard-size", str(options.shard_size)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peak = 0
            while process.poll() is None:
                peak = max(peak, _held_bytes(process.pid))
                time.sleep(0.1)
            print(
                f"{count:,} images: at most {peak / 2**20:,.0f} MiB in all processes (exit code {process.returncode})"
            )


def _held_bytes(pid: int) -> int:
    total = 0
    with suppress(psutil.NoSuchProcess):
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += process.memory_full_info().pss
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="var/models")
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, help="folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=2000, help="images of one measurement of the limit")
    parser.add_argument("--shard-size", type=int, default=10_000)
    parser.add_argument("--remote", action="store_true", help="the service over gRPC too")
    parser.add_argument("--replicas", type=int, default=1, help="of the service")
    parser.add_argument("--memory", action="store_true", help="only the memory, from 1,000 to 60,000 images")
    options = parser.parse_args()
    choice = ModelChoice(models=options.models, name=options.model, device=Device.CPU)
    if options.memory:
        memory(options)
    else:
        compare(options, choice)


if __name__ == "__main__":
    main()
