"""Puts the service together from its settings: the root that knows every part of it."""

import importlib.metadata
from functools import partial

import onnxruntime
import structlog

from service.api.auth.models import ModelsOfCallers
from service.api.calls import Calls
from service.api.door import Door
from service.api.health import Health
from service.api.oip.core import build_open_inference
from service.api.oip.statistics import Statistics
from service.api.recogniser import Recogniser
from service.config import Settings
from service.doors import Core, build_fast_grpc_server, build_grpc_server, build_methods
from service.engine.device_guard import DeviceGuard
from service.engine.providers import Provider, choose_provider
from service.guards import build_access, build_certificates
from service.http_doors import HttpDoors, build_http_servers
from service.loaders import Listeners, Loaders, build_loaders
from service.metrics import Metrics
from service.models.mirror import Mirror
from service.models.registry import Entry, Registry
from service.models.repository import ModelRepository
from service.models.signature import read_trusted_keys
from service.ports import StartRefused, bind_grpc, listen_beside, port_of
from service.server import Lifetime, Server
from service.tracing import TracesUnavailable, Tracing, build_tracing
from service.upkeep import build_upkeep, log_entry

log = structlog.get_logger("service.bootstrap")


async def build_server(settings: Settings) -> Server:
    """Binds the ports and builds everything; the models are loaded when it runs.

    Raises StartRefused, KeysInvalid or ProviderUnavailable.
    """
    provider = choose_provider(settings.device)
    log.info("provider chosen", provider=provider.name, reason=provider.reason)
    core = _core(settings, provider)
    certificates = build_certificates(settings)
    methods = build_methods(core, largest_answer=settings.max_message_bytes)
    grpc_server = build_grpc_server(settings, methods)
    grpc_port = bind_grpc(grpc_server, settings, None if certificates is None else certificates.for_grpc())
    sockets = listen_beside(settings)
    log.info(
        "ports bound",
        host=settings.host,
        grpc_port=grpc_port,
        fast_grpc_port=port_of(sockets.fast_grpc),
        http_port=port_of(sockets.http),
        metrics_port=port_of(sockets.metrics),
    )
    build = partial(
        build_http_servers,
        settings,
        core,
        sockets.metrics,
        sockets.http,
        grpc_port=grpc_port,
        certificates=certificates,
    )
    return Server(
        grpc_server,
        HttpDoors(build, metrics=sockets.metrics, api=sockets.http),
        build_fast_grpc_server(settings, methods, sockets.fast_grpc, certificates),
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
    listeners = Listeners(metrics=metrics, statistics=statistics, tracing=tracing, mirror=mirror)
    loaders = build_loaders(settings, provider, listeners, guard)
    registry = _registry(settings, loaders, metrics, status)
    mirror.follow(registry)
    recogniser = Recogniser(
        registry,
        metrics,
        statistics,
        max_images=settings.max_request_images,
        default_deadline_seconds=settings.default_deadline_seconds,
    )
    open_inference = build_open_inference(
        registry,
        statistics,
        status,
        metrics,
        max_batch_size=settings.max_batch_size,
        max_images=settings.max_request_images,
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
        upkeep=build_upkeep(settings, registry, metrics, status, guard, loaders.decoders),
    )


def _tracing(settings: Settings) -> Tracing:
    try:
        return build_tracing(
            settings.traces_endpoint,
            share=settings.traces_share,
            version=importlib.metadata.version("recognition"),
        )
    except TracesUnavailable as error:
        raise StartRefused(str(error)) from error


def _registry(settings: Settings, loaders: Loaders, metrics: Metrics, status: Health) -> Registry:
    async def watch(entry: Entry) -> None:
        metrics.watch_model(entry)
        await status.watch_model(entry)
        log_entry(entry)

    repository = ModelRepository(settings.models, trusted=read_trusted_keys(settings.trusted_keys))
    return ModelsOfCallers(
        repository,
        loaders.packaged.load,
        watch=watch,
        require_all=settings.require_all_models,
        load_plain=loaders.plain.load,
    )


def _describe_build(metrics: Metrics, provider: Provider) -> None:
    metrics.describe_build(
        version=importlib.metadata.version("recognition"),
        onnxruntime=onnxruntime.__version__,
        provider=provider.name,
        provider_reason=provider.reason,
    )
