"""From the words of the command to an engine; what an engine does not need is not imported."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from batch.engines import Engine, EngineName


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What the command was given, for all engines."""

    name: EngineName = EngineName.LOCAL
    models: str = "var/models"
    servers: tuple[str, ...] = ()
    model: str | None = None
    version: int | None = None
    alias: str | None = None
    trusted_keys: str | None = None
    precision: str = "fp32"
    device: str = "auto"
    workers: int | None = None
    patience_seconds: float = 300.0
    ray_address: str | None = None
    token: str | None = field(default=None, repr=False)
    tls: bool = False
    root_certificates: Path | None = None
    client_certificate: tuple[Path, Path] | None = None


def build_engine(settings: EngineSettings) -> Engine:
    """Starts nothing yet."""
    return BUILDERS[settings.name](settings)


def _local(settings: EngineSettings) -> Engine:
    from batch.engines.loaded_model import choice_of
    from batch.engines.local import LocalEngine

    return LocalEngine(choice_of(settings), workers=settings.workers)


def _remote(settings: EngineSettings) -> Engine:
    from batch.engines.remote import RemoteEngine
    from batch.engines.served_choice import ServedChoice

    choice = ServedChoice(
        servers=settings.servers,
        name=settings.model,
        version=settings.version,
        alias=settings.alias,
        patience_seconds=settings.patience_seconds,
        token=settings.token,
        tls=settings.tls,
        root_certificates=settings.root_certificates,
        client_certificate=settings.client_certificate,
    )
    return RemoteEngine(choice, workers=settings.workers)


def _ray(settings: EngineSettings) -> Engine:
    from batch.engines.loaded_model import choice_of
    from batch.engines.ray_actors import RayEngine

    return RayEngine(choice_of(settings), workers=settings.workers, address=settings.ray_address)


BUILDERS: Mapping[EngineName, Callable[[EngineSettings], Engine]] = MappingProxyType(
    {EngineName.LOCAL: _local, EngineName.REMOTE: _remote, EngineName.RAY: _ray}
)
