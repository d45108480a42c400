"""From a plain ONNX model on disk to tensors that answer: read → build the session → settle the signature → start."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from recognition.oip.model_config_pb2 import ModelConfig

from service.engine.batcher import BatchPolicy, BatchReport
from service.engine.datatypes import AnyTensor
from service.engine.device_guard import DeviceGuard
from service.engine.execution import Options
from service.engine.priority import Priority
from service.engine.providers import ProviderUnavailable
from service.engine.tensor_batcher import TensorBatcher, Tensors
from service.engine.tensor_session import TensorSession, TensorSpec, TensorUnsupported
from service.engine.times import Work
from service.models.manifest import digest_of
from service.models.package import PackageRefused
from service.models.plain_model import PlainModel
from service.models.plain_signature import PlainSignature, signature_of
from service.models.tensor_model import Computed
from service.models.trial import try_graph


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePlainModel:
    """One version that answers, as a TensorModel. `digest` is the SHA-256 of its graph."""

    name: str
    version: int
    digest: str
    provider: str
    load_seconds: float
    signature: PlainSignature
    batcher: TensorBatcher
    runner: ThreadPoolExecutor

    @property
    def config(self) -> ModelConfig:
        return self.signature.config

    @property
    def max_batch_size(self) -> int:
        return self.signature.max_batch_size

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.signature.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self.signature.outputs

    @property
    def hanging_seconds(self) -> float:
        """How long a batch of it has been running that should have been done long ago; 0 where none is."""
        return self.batcher.hanging_seconds

    @property
    def outputs_on_request(self) -> tuple[TensorSpec, ...]:
        return ()

    async def compute(
        self,
        tensors: Mapping[str, AnyTensor],
        wanted: Collection[str],
        *,
        deadline: float | None,
        priority: Priority = Priority.NORMAL,
    ) -> Computed:
        """Raises a ServiceError."""
        batched = self.config.max_batch_size > 0
        rows = len(next(iter(tensors.values()))) if batched and tensors else 1
        in_graph = {name: self._as_in_graph(name, tensor) for name, tensor in tensors.items()}
        share = await self.batcher.submit(in_graph, rows=rows, deadline=deadline, priority=priority)
        outputs = {
            spec.name: self._as_configured(spec, share.outputs[spec.name])
            for spec in self.outputs
            if spec.name in wanted
        }
        work = Work(items=rows, queue_seconds=share.queue_seconds, inference_seconds=share.inference_seconds)
        return Computed(outputs=outputs, work=work)

    async def drain(self) -> None:
        """Answers what was accepted, then lets go of the session's thread."""
        await self.batcher.drain()
        self.runner.shutdown(wait=False)

    def _as_in_graph(self, name: str, tensor: AnyTensor) -> AnyTensor:
        shape = self.signature.graph_shapes.get(name)
        return tensor if shape is None else tensor.reshape((*self._batch_of(tensor), *shape))

    def _as_configured(self, spec: TensorSpec, tensor: AnyTensor) -> AnyTensor:
        if spec.name not in self.signature.graph_shapes:
            return tensor
        batch = self._batch_of(tensor)
        return tensor.reshape((*batch, *spec.shape[len(batch) :]))

    def _batch_of(self, tensor: AnyTensor) -> tuple[int, ...]:
        return tensor.shape[:1] if self.config.max_batch_size > 0 else ()


class PlainModelLoader:
    """Builds live plain models."""

    def __init__(
        self,
        *,
        provider: str,
        threads: int,
        policy: BatchPolicy,
        observe: Callable[[str, int, BatchReport], None],
        provider_options: Options | None = None,
        guard: DeviceGuard | None = None,
        tries: bool = False,
    ) -> None:
        """`observe` is told name and version with the report of each batch; `tries` loads each first in a process."""
        self._provider = provider
        self._provider_options = provider_options
        self._threads = threads
        self._policy = policy
        self._observe = observe
        self._guard = guard or DeviceGuard()
        self._tries = tries

    async def load(self, model: PlainModel) -> LivePlainModel:
        """Raises PackageRefused where the graph cannot be loaded or its configuration does not fit it."""
        began = time.monotonic()
        runner = ThreadPoolExecutor(self._policy.lanes, thread_name_prefix=f"session-{model.name}-{model.version}")
        loop = asyncio.get_running_loop()
        try:
            session, digest = await loop.run_in_executor(runner, self._build_session, model)
            signature = signature_of(
                model.name,
                session.inputs,
                session.outputs,
                config=model.config,
                labels=model.labels,
                batch_size=self._policy.max_batch_size,
            )
        except BaseException:
            runner.shutdown(wait=False)
            raise

        async def compute(tensors: Tensors) -> Tensors:
            return await loop.run_in_executor(runner, session.run, tensors)

        batcher = TensorBatcher(
            partial(self._guard.whole, compute),
            self._policy_of(signature.config),
            joins=signature.config.HasField("dynamic_batching") and signature.max_batch_size > 0,
            observe=lambda report: self._observe(model.name, model.version, report),
        )
        await batcher.start()
        return LivePlainModel(
            name=model.name,
            version=model.version,
            digest=digest,
            provider=session.provider,
            load_seconds=time.monotonic() - began,
            signature=signature,
            batcher=batcher,
            runner=runner,
        )

    def _policy_of(self, config: ModelConfig) -> BatchPolicy:
        """The service's own, but for what the configuration says."""
        delay = config.dynamic_batching.max_queue_delay_microseconds / 1e6
        return replace(
            self._policy,
            max_batch_size=config.max_batch_size or 1,
            max_delay_seconds=delay or self._policy.max_delay_seconds,
        )

    def _build_session(self, model: PlainModel) -> tuple[TensorSession, str]:
        graph = model.read()
        if self._tries:
            try_graph(graph, model.where(model.file))
        try:
            session = TensorSession.load(
                graph, provider=self._provider, threads=self._threads, provider_options=self._provider_options
            )
        except ProviderUnavailable:
            raise
        except TensorUnsupported as error:
            raise PackageRefused(f"{model.where(model.file)}: {error}") from error
        except Exception as error:
            raise PackageRefused(f"{model.where(model.file)}: ONNX Runtime cannot load the graph") from error
        return session, digest_of(graph)
