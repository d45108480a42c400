"""What brings models to life, built from the settings: the loaders of packages and of plain models."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from service.api.oip.statistics import Statistics
from service.config import Settings
from service.engine.batch_costs import NEARLY, NEARLY_ON_GPU
from service.engine.batcher import BatchPolicy, BatchReport
from service.engine.decode import ImageLimits
from service.engine.decode_pool import DecodePool
from service.engine.decoders import Decoders, InProcesses, InThread, SmallInProcesses
from service.engine.device_guard import DeviceGuard
from service.engine.execution import OptionUnknown, checked_options
from service.engine.providers import CUDA_PROVIDER, GPU_PROVIDERS, Provider
from service.engine.response_cache import CacheObserver, ResponseCache
from service.engine.session import available_cores
from service.metrics import Metrics
from service.models.loader import LoadObserver, ModelLoader
from service.models.mirror import Mirror
from service.models.plain_loader import PlainModelLoader
from service.ports import StartRefused
from service.tracing import Tracing

log = structlog.get_logger("service.loaders")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaders:
    """One for packages with a manifest, one for ONNX models without."""

    packaged: ModelLoader
    plain: PlainModelLoader
    decoders: DecodePool | None
    """The processes that decode images; None where there is another way besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Who is told of what the models compute."""

    metrics: Metrics
    statistics: Statistics
    tracing: Tracing
    mirror: Mirror

    def batch(self, name: str, version: int, report: BatchReport) -> None:
        self.metrics.observe_batch_of(name, report)
        self.statistics.observe_batch(name, version, report)
        self.tracing.batch(name, version, report)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Computing:
    """Where and how every model computes."""

    provider: str
    provider_options: dict[str, str]
    threads: int
    policy: BatchPolicy
    guard: DeviceGuard


def build_loaders(settings: Settings, provider: Provider, listeners: Listeners, guard: DeviceGuard) -> Loaders:
    """Raises StartRefused."""
    threads = settings.threads or available_cores()
    computing = _Computing(
        provider=provider.name,
        provider_options=_provider_options(settings, provider),
        threads=threads,
        policy=_batch_policy(settings, provider, threads),
        guard=guard,
    )
    limits = _image_limits(settings)
    processes = _decode_threads(settings) if settings.decode_isolation == "process" else _small_at_once(settings)
    pool = DecodePool(processes, limits, seconds=settings.decode_seconds)
    decoders: dict[str, Decoders] = {
        "thread": InThread(limits),
        "process": InProcesses(pool),
        "auto": SmallInProcesses(limits, pool),
    }
    return Loaders(
        packaged=_loader(settings, computing, listeners, decoders[settings.decode_isolation]),
        plain=_plain_loader(settings, computing, listeners),
        decoders=pool if settings.decode_isolation == "process" else None,
    )


def _decode_threads(settings: Settings) -> int:
    return settings.decode_threads or available_cores()


def _small_at_once(settings: Settings) -> int:
    """Threads that may decode small files, or wait for processes that do; the others are left to who is alone."""
    return max(1, _decode_threads(settings) // 2)


def _image_limits(settings: Settings) -> ImageLimits:
    return ImageLimits(
        max_bytes=settings.max_image_bytes,
        max_side=settings.max_image_side,
        max_pixels=settings.max_image_pixels,
    )


def _batch_policy(settings: Settings, provider: Provider, threads: int) -> BatchPolicy:
    on_gpu = provider.name in GPU_PROVIDERS
    if provider.name == CUDA_PROVIDER and settings.parallel_batches > 1:
        log.warning(
            "CUDA graphs are for one thread: batches beside it are run kernel by kernel; leave parallel_batches at 0",
            parallel_batches=settings.parallel_batches,
        )
    return BatchPolicy(
        max_batch_size=settings.max_batch_size,
        max_delay_seconds=settings.max_delay_ms / 1000,
        max_queue_images=settings.max_queue_images,
        max_queue_bytes=settings.max_queue_bytes,
        slo_seconds=settings.slo_p99_ms / 1000 or None,
        lanes=settings.parallel_batches or (1 if on_gpu else threads),
        ahead=1 if on_gpu else 0,
        nearly=NEARLY_ON_GPU if on_gpu else NEARLY,
    )


def _loader(settings: Settings, computing: _Computing, listeners: Listeners, decoders: Decoders) -> ModelLoader:
    threads = _decode_threads(settings)
    return ModelLoader(
        provider=computing.provider,
        threads=computing.threads,
        tiny_threads=settings.threads or 1,
        precision=settings.precision,
        every_precision=settings.serve_precisions == "all",
        decoding=settings.decode,
        cache=_response_cache(settings, listeners.metrics),
        provider_options=computing.provider_options,
        policy=computing.policy,
        limits=_image_limits(settings),
        workers=ThreadPoolExecutor(threads, thread_name_prefix="decode"),
        small_at_once=threads if settings.decode_isolation == "process" else _small_at_once(settings),
        tries=settings.model_trial == "all",
        decoders=decoders,
        observer=LoadObserver(
            stage=listeners.metrics.observe_stage,
            batch=lambda manifest, report: listeners.batch(manifest.name, manifest.version, report),
            images=listeners.tracing.images,
            rows=listeners.mirror.seen,
        ),
        guard=computing.guard,
    )


def _plain_loader(settings: Settings, computing: _Computing, listeners: Listeners) -> PlainModelLoader:
    return PlainModelLoader(
        provider=computing.provider,
        threads=computing.threads,
        policy=computing.policy,
        observe=listeners.batch,
        guard=computing.guard,
        provider_options=computing.provider_options,
        tries=settings.model_trial != "none",
    )


def _response_cache(settings: Settings, metrics: Metrics) -> ResponseCache | None:
    if not settings.cache_bytes:
        return None
    observer = CacheObserver(lookup=metrics.observe_cache_lookup, evicted=metrics.cache_evictions.inc)
    cache = ResponseCache(settings.cache_bytes, observer=observer)
    metrics.cache_bytes.set_function(lambda: cache.bytes_held)
    return cache


def _provider_options(settings: Settings, provider: Provider) -> dict[str, str]:
    try:
        return checked_options(provider.name, settings.provider_options)
    except OptionUnknown as error:
        raise StartRefused(f"provider_options: {error}") from error
