"""What goes on beside the calls while the server lives: the repository is followed, the models are checked."""

from dataclasses import dataclass

import structlog

from service.api.health import Health
from service.config import Settings
from service.engine.decode_pool import DecodePool
from service.engine.device_guard import DeviceGuard
from service.metrics import Metrics
from service.models.golden_watch import GoldenWatch
from service.models.registry import Entry, Registry, State
from service.models.reloader import Reloader
from service.models.repository import ModelRepository
from service.readiness import Readiness, hanging_batches

log = structlog.get_logger("service.models")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What the server starts when it is ready, and ends when it shuts down."""

    guard: DeviceGuard
    reloader: Reloader
    golden_watch: GoldenWatch
    readiness: Readiness


def build_upkeep(
    settings: Settings,
    registry: Registry,
    metrics: Metrics,
    health: Health,
    guard: DeviceGuard,
    decoders: DecodePool | None,
) -> Upkeep:
    """Under model_control = explicit callers say what is loaded, so the repository is looked at on SIGHUP only."""
    reloader = Reloader(
        ModelRepository(settings.models),
        registry,
        seconds=0.0 if settings.model_control == "explicit" else settings.reload_seconds,
        tell=lambda ended: metrics.reloads.labels(ended).inc(),
    )
    golden_watch = GoldenWatch(
        registry, seconds=settings.golden_seconds, tell=metrics.observe_golden, alarm=health.announce_fault
    )
    checks = [hanging_batches(registry)]
    if decoders is not None:
        checks.append(lambda: decoders.trouble)
    return Upkeep(guard=guard, reloader=reloader, golden_watch=golden_watch, readiness=Readiness(health, checks))


def log_entry(entry: Entry) -> None:
    """Says what became of a version."""
    facts = {"model": entry.name, "version": entry.version, "digest": entry.digest[:12]}
    if entry.state is State.FAILED:
        log.error("model refused", reason=entry.reason, cause=repr(entry.cause), **facts)
    elif entry.state is State.READY and entry.live is not None:
        log.info(
            "model ready",
            precision=entry.live.precision,
            precision_reason=entry.live.precision_reason,
            precisions=",".join(entry.live.precisions),
            provider=entry.live.provider,
            golden_max_abs_difference=entry.live.golden_difference,
            load_seconds=round(entry.live.load_seconds, 3),
            **facts,
        )
    elif entry.state is State.READY and entry.plain is not None:
        plain = entry.plain
        log.info("plain model ready", provider=plain.provider, load_seconds=round(plain.load_seconds, 3), **facts)
    else:
        log.debug("model state", state=entry.state, **facts)
