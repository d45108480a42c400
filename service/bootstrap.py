"""Puts the service together from its settings: the only file that knows every class."""

import importlib.metadata
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import onnxruntime
import structlog
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from recognition.oip import open_inference_pb2, open_inference_pb2_grpc
from recognition.v1 import recognition_pb2, recognition_pb2_grpc

from service.api.auth.access import Access
from service.api.auth.grpc_gate import GrpcGate
from service.api.auth.http_gate import HttpGate
from service.api.auth.models import ModelsOfCallers
from service.api.calls import Calls
from service.api.door import Door
from service.api.health import Health
from service.api.interceptors import CallInterceptor
from service.api.oip.core import OpenInference, build_open_inference
from service.api.oip.errors import open_inference_status
from service.api.oip.rest.router import open_inference_router
from service.api.oip.servicer import OpenInferenceServicer
from service.api.oip.statistics import Statistics
from service.api.recogniser import Recogniser
from service.api.recognition import RecognitionServicer
from service.api.rest.app import build_app, refusal_at
from service.api.rest.metrics import ThreadedServer, build_metrics_app
from service.api.rest.server import HttpServer
from service.api.rest.uploads import UploadLimits, UploadReader
from service.config import Settings
from service.engine.batcher import BatchPolicy, BatchReport
from service.engine.decode import ImageLimits, decode
from service.engine.decode_pool import DecodePool
from service.engine.device_guard import DeviceGuard
from service.engine.execution import OptionUnknown, checked_options
from service.engine.providers import GPU_PROVIDERS, Provider, choose_provider
from service.engine.response_cache import CacheObserver, ResponseCache
from service.engine.session import available_cores
from service.guards import build_access, build_certificates
from service.metrics import Metrics
from service.models.loader import LoadObserver, ModelLoader
from service.models.mirror import Mirror
from service.models.plain_loader import PlainModelLoader
from service.models.registry import Entry, Registry
from service.models.repository import ModelRepository
from service.models.signature import read_trusted_keys
from service.ports import StartRefused, bind_grpc, listen_http
from service.server import Lifetime, Server
from service.tls import Certificates
from service.tracing import TracesUnavailable, Tracing, build_tracing
from service.transport import transport_options
from service.upkeep import Upkeep, build_upkeep, log_entry

log = structlog.get_logger("service.bootstrap")

SERVICE_NAME = recognition_pb2.DESCRIPTOR.services_by_name["RecognitionService"].full_name
OPEN_INFERENCE_NAME = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
MOST_PENDING_CALLS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What all doors share."""

    metrics: Metrics
    status: Health
    door: Door
    calls: Calls
    access: Access
    registry: Registry
    recogniser: Recogniser
    open_inference: OpenInference
    upkeep: Upkeep


async def build_server(settings: Settings) -> Server:
    """Binds the ports and builds everything; the models are loaded when it runs.

    Raises StartRefused, KeysInvalid or ProviderUnavailable.
    """
    provider = choose_provider(settings.device)
    log.info("provider chosen", provider=provider.name, reason=provider.reason)
    core = _core(settings, provider)
    certificates = build_certificates(settings)
    grpc_server = _grpc_server(settings, core)
    grpc_port = bind_grpc(grpc_server, settings, None if certificates is None else certificates.for_grpc())
    metrics_listener, listener = listen_http(settings)
    metrics_port = metrics_listener.getsockname()[1]
    http_port = None if listener is None else listener.getsockname()[1]
    log.info("ports bound", host=settings.host, grpc_port=grpc_port, http_port=http_port, metrics_port=metrics_port)
    return Server(
        grpc_server,
        None if listener is None else _http_server(settings, core, listener, grpc_port, certificates),
        _metrics_server(core, metrics_listener, certificates),
        registry=core.registry,
        health=core.status,
        door=core.door,
        metrics=core.metrics,
        lifetime=Lifetime(drain_seconds=settings.drain_seconds, grace_seconds=settings.grace_seconds),
        upkeep=core.upkeep,
    )


def _core(settings: Settings, provider: Provider) -> Core:
    tracing = _tracing(settings)
    metrics = Metrics(exemplar=tracing.ids)
    _describe_build(metrics, provider)
    status, door, statistics = Health(), Door(), Statistics()
    metrics.in_flight.set_function(lambda: door.inside)
    guard = DeviceGuard(observe=lambda fault: metrics.device_faults.labels(fault).inc())
    mirror = Mirror(tell=metrics.observe_comparison)
    registry = _registry(settings, provider, metrics, status, statistics, tracing, guard, mirror)
    mirror.follow(registry)
    recogniser = Recogniser(
        registry,
        metrics,
        max_images=settings.max_request_images,
        default_deadline_seconds=settings.default_deadline_seconds,
    )
    open_inference = build_open_inference(
        registry,
        statistics,
        status,
        metrics,
        max_batch_size=settings.max_batch_size,
        default_deadline_seconds=settings.default_deadline_seconds,
        explicit_control=settings.model_control == "explicit",
    )
    return Core(
        metrics=metrics,
        status=status,
        door=door,
        calls=Calls(metrics, door, tracing),
        access=build_access(settings),
        registry=registry,
        recogniser=recogniser,
        open_inference=open_inference,
        upkeep=build_upkeep(settings, registry, metrics, status, guard),
    )


def _http_server(
    settings: Settings, core: Core, listener: socket.socket, grpc_port: int, certificates: Certificates | None
) -> HttpServer:
    uploads = _upload_reader(settings)
    app = build_app(
        calls=core.calls,
        recogniser=core.recogniser,
        registry=core.registry,
        metrics=core.metrics,
        health=core.status,
        uploads=uploads,
        grpc_port=grpc_port,
        asks_for_token=core.access.asks,
        routers=[open_inference_router(core.open_inference, calls=core.calls, uploads=uploads)],
    )
    gate = HttpGate(app, access=core.access, calls=core.calls, refusal=refusal_at)
    return HttpServer(
        gate,
        listener,
        tls=None if certificates is None else certificates.for_http(),
        max_header_bytes=settings.max_metadata_bytes,
    )


def _metrics_server(core: Core, listener: socket.socket, certificates: Certificates | None) -> ThreadedServer:
    app = build_metrics_app(core.metrics.registry, core.status, access=core.access, calls=core.calls)
    return ThreadedServer(app, listener, tls=None if certificates is None else certificates.for_metrics())


def _tracing(settings: Settings) -> Tracing:
    try:
        return build_tracing(
            settings.traces_endpoint,
            share=settings.traces_share,
            version=importlib.metadata.version("recognition"),
        )
    except TracesUnavailable as error:
        raise StartRefused(str(error)) from error


def _registry(
    settings: Settings,
    provider: Provider,
    metrics: Metrics,
    status: Health,
    statistics: Statistics,
    tracing: Tracing,
    guard: DeviceGuard,
    mirror: Mirror,
) -> Registry:
    threads = settings.threads or available_cores()
    decoders = settings.decode_threads or available_cores()
    limits = ImageLimits(
        max_bytes=settings.max_image_bytes,
        max_side=settings.max_image_side,
        max_pixels=settings.max_image_pixels,
    )
    provider_options = _provider_options(settings, provider)
    policy = BatchPolicy(
        max_batch_size=settings.max_batch_size,
        max_delay_seconds=settings.max_delay_ms / 1000,
        max_queue_images=settings.max_queue_images,
        max_queue_bytes=settings.max_queue_bytes,
        slo_seconds=settings.slo_p99_ms / 1000 or None,
        lanes=settings.parallel_batches or (1 if provider.name in GPU_PROVIDERS else threads),
    )

    def observe_batch(name: str, version: int, report: BatchReport) -> None:
        metrics.observe_batch_of(name, report)
        statistics.observe_batch(name, version, report)
        tracing.batch(name, version, report)

    loader = ModelLoader(
        provider=provider.name,
        threads=threads,
        precision=settings.precision,
        every_precision=settings.serve_precisions == "all",
        decoding=settings.decode,
        cache=_response_cache(settings, metrics),
        provider_options=provider_options,
        policy=policy,
        limits=limits,
        workers=ThreadPoolExecutor(decoders, thread_name_prefix="decode"),
        tries=settings.model_trial == "all",
        decode=decode
        if settings.decode_isolation == "thread"
        else DecodePool(decoders, limits, seconds=settings.decode_seconds).decode,
        observer=LoadObserver(
            stage=metrics.observe_stage,
            batch=lambda manifest, report: observe_batch(manifest.name, manifest.version, report),
            image=tracing.image,
            row=mirror.seen,
        ),
        guard=guard,
    )
    plain_loader = PlainModelLoader(
        provider=provider.name,
        threads=threads,
        policy=policy,
        observe=observe_batch,
        guard=guard,
        provider_options=provider_options,
        tries=settings.model_trial != "none",
    )

    async def watch(entry: Entry) -> None:
        metrics.watch_model(entry)
        await status.watch_model(entry)
        log_entry(entry)

    repository = ModelRepository(settings.models, trusted=read_trusted_keys(settings.trusted_keys))
    return ModelsOfCallers(
        repository,
        loader.load,
        watch=watch,
        require_all=settings.require_all_models,
        load_plain=plain_loader.load,
    )


def _response_cache(settings: Settings, metrics: Metrics) -> ResponseCache | None:
    if not settings.cache_bytes:
        return None
    observer = CacheObserver(lookup=metrics.observe_cache_lookup, evicted=metrics.cache_evictions.inc)
    cache = ResponseCache(settings.cache_bytes, observer=observer)
    metrics.cache_bytes.set_function(lambda: cache.bytes_held)
    return cache


def _grpc_server(settings: Settings, core: Core) -> grpc.aio.Server:
    server = grpc.aio.server(
        interceptors=[
            GrpcGate(core.access, core.calls, translations={OPEN_INFERENCE_NAME: open_inference_status}),
            CallInterceptor(core.calls, service=SERVICE_NAME),
            CallInterceptor(core.calls, service=OPEN_INFERENCE_NAME, translate=open_inference_status),
        ],
        options=[
            *transport_options(settings),
            # Who waits and who is refused is decided by our own queue, which says QUEUE_FULL; gRPC only says CANCELLED.
            ("grpc.server.max_pending_requests", MOST_PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", MOST_PENDING_CALLS),
        ],
    )
    recognition_pb2_grpc.add_RecognitionServiceServicer_to_server(
        RecognitionServicer(core.recogniser, core.registry, closing=core.door.closing), server
    )
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
        OpenInferenceServicer(core.open_inference, closing=core.door.closing), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(core.status.servicer, server)
    reflection.enable_server_reflection(
        (SERVICE_NAME, OPEN_INFERENCE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    return server


def _upload_reader(settings: Settings) -> UploadReader:
    return UploadReader(
        UploadLimits(
            max_image_bytes=settings.max_image_bytes,
            max_images=settings.max_request_images,
            max_body_bytes=settings.max_message_bytes,
            seconds=settings.default_deadline_seconds,
        )
    )


def _provider_options(settings: Settings, provider: Provider) -> dict[str, str]:
    try:
        return checked_options(provider.name, settings.provider_options)
    except OptionUnknown as error:
        raise StartRefused(f"provider_options: {error}") from error


def _describe_build(metrics: Metrics, provider: Provider) -> None:
    metrics.describe_build(
        version=importlib.metadata.version("recognition"),
        onnxruntime=onnxruntime.__version__,
        provider=provider.name,
        provider_reason=provider.reason,
    )
