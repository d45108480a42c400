"""Images per second of batch jobs, next to the limit of the same machine at the same time.

The limit is 1 / (1/a + 1/b): a is the service's decoding alone, of images in memory, one process a core; b is ONNX
Runtime alone on all cores, as one session or one for each core, at its best batch size. `local` and `remote` are jobs
from the first file that is read to the last part on the disk (a source is listed while the model loads). All take
turns, so that a busy machine is as unfair to one as to another; the ratios are those of a round, and their median is
shown. The service runs on the same cores: as one replica, and as so many as --replicas says.

Example: .venv/bin/python benchmarks/batch.py --models var/models --model fashion_cnn --images photos/ --replicas 2
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
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rich.console import Console

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # run as a script, `import batch` would find this very file

from batch.assembly import CHUNK_IMAGES
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
    prepare, run = model.live.classifier.prepare_all, model.live.session.run
    tensors = prepare(images[:64]).tensors
    connection.send("ready")
    while (command := connection.recv()) is not None:
        began = time.perf_counter()
        if task.kind == "decode":
            for at in range(0, len(images), CHUNK_IMAGES):
                prepare(images[at : at + CHUNK_IMAGES])
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
def served(models: str, replicas: int, options: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """`recognition-serve` on free ports, as many as asked for."""
    ports = ("--grpc-port", "0", "--metrics-port", "0", "--no-http", "--device", "cpu", "--log-format", "json")
    command = [sys.executable, "-m", "service", "--models", models, *ports, *options]
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
    print(f"{options.model}: {len(files):,} images, {cores} cores, best batch sizes {limit.sizes}", flush=True)
    rows: list[dict[str, float]] = []
    with served(options.models, options.replicas, options.option) as servers:
        for number in range(options.rounds):
            a, b = limit.rates()
            row = {"decode": a, "infer": b, "limit": 1 / (1 / a + 1 / b)}
            row["local"] = job_rate(LocalEngine(choice), options.images, options.shard_size)
            for count in sorted({1, options.replicas} - {0} if servers else ()):
                engine = RemoteEngine(ServedChoice(servers=servers[:count], name=options.model))
                row[f"remote-{count}"] = job_rate(engine, options.images, options.shard_size)
            rows.append(row)
            print(
                f"round {number + 1}: " + ", ".join(f"{name} {value:,.1f}/s" for name, value in row.items()), flush=True
            )
    limit.close()
    print("medians: " + ", ".join(f"{name} {_median(rows, name):,.1f}/s" for name in rows[0]))
    print(f"local / limit: {_median(rows, 'local', 'limit'):.3f}")
    for name in rows[0]:
        if name.startswith("remote"):
            print(f"{name} / local: {_median(rows, name, 'local'):.3f}")


def _median(rows: Sequence[dict[str, float]], name: str, other: str | None = None) -> float:
    return statistics.median(row[name] / (row[other] if other else 1.0) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="var/models")
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True, help="folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=2000, help="images of one measurement of the limit")
    parser.add_argument("--shard-size", type=int, default=10_000)
    parser.add_argument("--replicas", type=int, default=0, help="of the service, asked over gRPC")
    parser.add_argument(
        "--option", action="append", default=[], help="for recognition-serve, as --option=--decode-isolation=thread"
    )
    options = parser.parse_args()
    choice = ModelChoice(models=options.models, name=options.model, device=Device.CPU)
    compare(options, choice)


if __name__ == "__main__":
    main()
