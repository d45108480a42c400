"""The service's engine on this machine: one worker process for each core, or one for the GPU.

Processes and not threads, because small pictures are decoded by Python code, which runs on one core at a time in a
process. Each holds the model and has two chunks: one at the session, one being read and decoded.
"""

import math
import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from batch.engines.loaded_model import ModelChoice, open_package
from batch.engines.worker import Failure, WorkerSettings, serve
from batch.errors import BatchError, EngineFailed, ModelRefused
from batch.item import Chunk
from batch.plan import Model, Question
from batch.results import Results
from service.engine.providers import CUDA_PROVIDER, ProviderUnavailable, choose_provider
from service.engine.session import available_cores
from service.machine import available_bytes, core_quota
from service.models.variant import Precision

CHUNKS_PER_WORKER = 2
BYTES_PER_WORKER = 400 * 2**20
"""Python, ONNX Runtime and the pictures at work."""
COPIES_OF_THE_MODEL = 3
"""As read, as loaded, and while it is optimised."""
SECONDS_TO_END = 5.0


@dataclass(slots=True, eq=False)
class Lane:
    """A worker process, seen from the job."""

    process: BaseProcess
    connection: Connection
    under_way: int = 0


class LocalEngine:
    """See batch.engines.Engine."""

    def __init__(self, choice: ModelChoice, *, workers: int | None = None) -> None:
        self._choice = choice
        self._asked = workers
        self._lanes: list[Lane] = []
        self.workers = workers or 1

    def start(self, question: Question) -> Model:
        """All workers load and prove the model; they must agree on what it is."""
        cores = usable_cores(available_cores(), core_quota())
        try:
            on_gpu = choose_provider(self._choice.device).name == CUDA_PROVIDER
        except ProviderUnavailable as error:
            raise ModelRefused(str(error)) from error
        self.workers = self._asked or (1 if on_gpu else _fitting(self._choice, cores))
        threads = max(1, cores // self.workers)
        settings = WorkerSettings(choice=self._choice, question=question, threads=threads, decode_threads=threads)
        context = multiprocessing.get_context("spawn")
        for number in range(self.workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, settings), name=f"batch-{number}", daemon=True)
            process.start()
            theirs.close()
            self._lanes.append(Lane(process, ours))
        facts = [self._received(lane) for lane in self._lanes]
        first = facts[0]
        assert isinstance(first, Model)  # noqa: S101 - the first thing that a worker says
        if any(other != first for other in facts):
            raise ModelRefused(f"{self._choice.models} changed while it was read; start again")
        return first

    @property
    def has_room(self) -> bool:
        return any(lane.under_way < CHUNKS_PER_WORKER for lane in self._lanes)

    def submit(self, chunk: Chunk) -> None:
        lane = min(self._lanes, key=lambda lane: lane.under_way)
        try:
            lane.connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _died(lane) from error
        lane.under_way += 1

    def collect(self) -> list[Results]:
        ready = wait([lane.connection for lane in self._lanes if lane.under_way])
        return [self._results(lane) for lane in self._lanes if lane.connection in ready]

    def close(self) -> None:
        for lane in self._lanes:
            lane.connection.close()
            lane.process.terminate()
        for lane in self._lanes:
            lane.process.join(SECONDS_TO_END)
            if lane.process.is_alive():
                lane.process.kill()
                lane.process.join()
            lane.process.close()
        self._lanes.clear()

    def _results(self, lane: Lane) -> Results:
        results = self._received(lane)
        assert isinstance(results, Results)  # noqa: S101 - nothing else follows the facts
        lane.under_way -= 1
        return results

    @staticmethod
    def _received(lane: Lane) -> object:
        try:
            message = lane.connection.recv()
        except (EOFError, ConnectionResetError) as error:
            raise _died(lane) from error
        if isinstance(message, Failure):
            if isinstance(message.error, BatchError | OSError):
                raise message.error
            raise EngineFailed(f"the model could not be run: {message.error}") from message.error
        return message


def usable_cores(cores: int, quota: float | None) -> int:
    """A container on a large machine sees all of its cores and may use a few."""
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _died(lane: Lane) -> EngineFailed:
    lane.process.join(SECONDS_TO_END)
    return EngineFailed(
        f"a worker process ended (exit code {lane.process.exitcode}; -9 mostly means that memory ran out: use fewer "
        "with --workers). Run the same command again to go on."
    )


def _fitting(choice: ModelChoice, cores: int) -> int:
    """One for each core, as far as memory goes."""
    package = open_package(choice)
    graph = package.manifest.variants.get(Precision(choice.precision))
    size = Path(package.path / graph.file).stat().st_size if graph is not None else 0
    memory = available_bytes()
    if memory is None:
        return cores
    return max(1, min(cores, memory // (BYTES_PER_WORKER + COPIES_OF_THE_MODEL * size)))
