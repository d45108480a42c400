"""A pool of actors on a Ray cluster, each with its own engine: for more than one machine, or several GPUs.

An actor that is lost with its process or its machine is started again by Ray, and what it was working on is submitted
again. Results go to their places in the shard, so an answer that comes twice would change nothing.
"""

import logging
import os
import warnings
from threading import Lock
from typing import Any

from batch.engines.computation import Computation
from batch.engines.loaded_model import LoadedModel, ModelChoice
from batch.errors import BatchError, EngineFailed
from batch.item import Chunk
from batch.plan import Model, Question
from batch.results import Results
from batch.sources.location import storage_error
from service.engine.providers import CUDA_PROVIDER

CHUNKS_PER_ACTOR = 2
ATTEMPTS_TO_START = 3
"""Of a Ray that is started here: it gives up where its own agent is not up within 15 s, as on a busy machine."""
OBJECT_STORE_BYTES = 200 * 2**20
"""For a Ray that is started here: chunks and results are small, images never pass through it."""


class Engine:
    """What runs inside an actor, on two of its threads: one reads and decodes while the other has the session.

    The model is loaded by the first call and not at birth: an actor that Ray starts again has no other, and what is
    raised at birth reaches nobody as it was.
    """

    def __init__(self, choice: ModelChoice, question: Question, threads: int) -> None:
        self._choice, self._question, self._threads = choice, question, threads
        self._computation: Computation | None = None
        self._loading, self._preparing, self._computing = Lock(), Lock(), Lock()

    def facts(self) -> Model:
        return self._loaded().facts

    def answer(self, chunk: Chunk) -> Results:
        computation = self._loaded()
        with self._preparing:
            ready = computation.prepare(chunk)
        with self._computing:
            return computation.compute(ready)

    def process(self) -> int:
        """Which process this is, for whoever watches it."""
        return os.getpid()

    def _loaded(self) -> Computation:
        with self._loading:
            if self._computation is None:
                question = self._question
                model = LoadedModel(
                    self._choice,
                    threads=self._threads,
                    batch_size=question.batch_size,
                    max_image_bytes=question.max_image_bytes,
                )
                self._computation = Computation(model, question, decode_threads=self._threads)
            return self._computation


class RayEngine:
    """See batch.engines.Engine. `address` names a cluster; None: the environment's, else one is started here."""

    def __init__(self, choice: ModelChoice, *, workers: int | None = None, address: str | None = None) -> None:
        self._choice = choice
        self._asked = workers
        self._address = address
        self._actors: list[Any] = []
        self._under_way: dict[Any, int] = {}
        self.workers = workers or 1

    def start(self, question: Question) -> Model:
        """An actor for each GPU of the cluster, or for each core where it has none."""
        ray = self._connect()
        gpus = int(ray.cluster_resources().get("GPU", 0)) if self._choice.device != "cpu" else 0
        cores = int(ray.cluster_resources().get("CPU", 1))
        self.workers = self._asked or gpus or max(1, cores)
        threads = max(1, cores // self.workers)
        remote = ray.remote(Engine).options(
            num_cpus=threads,
            num_gpus=1 if gpus else 0,
            max_concurrency=CHUNKS_PER_ACTOR,
            max_restarts=-1,
            max_task_retries=-1,
        )
        self._actors = [remote.remote(self._choice, question, threads) for _ in range(self.workers)]
        facts: list[Model] = [self._got(actor.facts.remote()) for actor in self._actors]
        if gpus and facts[0].provider != CUDA_PROVIDER:
            warnings.warn(f"the cluster has GPUs, but the model runs on {facts[0].provider}", stacklevel=2)
        if any(other != facts[0] for other in facts):
            raise EngineFailed("the machines of the cluster have different models or devices; they must be the same")
        return facts[0]

    @property
    def has_room(self) -> bool:
        return len(self._under_way) < CHUNKS_PER_ACTOR * len(self._actors)

    def submit(self, chunk: Chunk) -> None:
        loads = [list(self._under_way.values()).count(place) for place in range(len(self._actors))]
        place = loads.index(min(loads))
        self._under_way[self._actors[place].answer.remote(chunk)] = place

    def collect(self) -> list[Results]:
        import ray

        done, _ = ray.wait(list(self._under_way), num_returns=1)
        results: list[Results] = []
        for reference in done:
            del self._under_way[reference]
            results.append(self._got(reference))
        return results

    def close(self) -> None:
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._actors.clear()
        if ray.is_initialized():
            ray.shutdown()

    @property
    def processes(self) -> list[int]:
        """Of the actors."""
        return [self._got(actor.process.remote()) for actor in self._actors]

    def _connect(self) -> Any:
        """Ray with no dashboard, no usage report, and no logs of the actors mixed into ours."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise EngineFailed("Ray is not installed: pip install 'recognition[ray]'") from error
        address = self._address or os.environ.get("RAY_ADDRESS")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        here: dict[str, Any] = {
            "num_cpus": self._asked,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        for left in reversed(range(ATTEMPTS_TO_START)):
            try:
                ray.init(**({"address": address} if address else here), **quiet)
            except Exception as error:  # Ray raises bare ones
                ray.shutdown()
                if not left or address:
                    raise EngineFailed(f"Ray cannot be reached or started: {error}") from error
            else:
                break
        return ray

    @staticmethod
    def _got(reference: Any) -> Any:
        import ray

        try:
            return ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            cause = storage_error(error.cause) or error.cause
            if isinstance(cause, BatchError | OSError):
                raise cause from error
            raise EngineFailed(f"the model could not be run: {cause}") from error
        except ray.exceptions.RayError as error:
            raise EngineFailed(f"an actor is gone: {str(error).splitlines()[0]}") from error
