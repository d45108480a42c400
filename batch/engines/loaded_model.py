"""The service's own model in this process: read, proved with its golden samples, warmed up. No server, no queue."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batch.engines.build import EngineSettings
from batch.errors import ModelRefused
from batch.plan import Model
from service.engine.batcher import BatchPolicy
from service.engine.decode import ImageLimits
from service.engine.providers import Device, ProviderUnavailable, choose_provider
from service.models.loader import LoadObserver, ModelLoader
from service.models.repository import STABLE, ModelRepository, Package, PackageRefused
from service.models.signature import KeysInvalid, read_trusted_keys
from service.models.variant import PrecisionChoice

if TYPE_CHECKING:
    from service.models.live_model import LiveModel

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which package, and how it is to be computed."""

    models: str = "var/models"
    name: str | None = None
    version: int | None = None
    alias: str | None = None
    trusted_keys: str | None = None
    precision: PrecisionChoice = PrecisionChoice.FP32
    device: Device = Device.AUTO


def choice_of(settings: EngineSettings) -> ModelChoice:
    return ModelChoice(
        models=settings.models,
        name=settings.model,
        version=settings.version,
        alias=settings.alias,
        trusted_keys=settings.trusted_keys,
        precision=PrecisionChoice(settings.precision),
        device=Device(settings.device),
    )


def open_package(choice: ModelChoice) -> Package:
    """The version that is named, else that of the alias `stable`, else the highest. Raises ModelRefused."""
    keys = None if choice.trusted_keys is None else Path(choice.trusted_keys)
    try:
        repository = ModelRepository(Path(choice.models), trusted=read_trusted_keys(keys))
        name = choice.name or _only(repository)
        if name not in repository.names():
            raise ModelRefused(f"{choice.models} has no model {name}{_only_these(repository.names())}")
        aliases = repository.aliases(name)
        if choice.alias is not None and choice.alias not in aliases:
            raise ModelRefused(f"{name} has no alias {choice.alias}{_only_these(sorted(aliases))}")
        versions = repository.versions(name)
        version = choice.version or aliases.get(choice.alias or STABLE, versions[-1])
        if version not in versions:
            raise ModelRefused(f"{name} has no version {version}, only {', '.join(map(str, versions))}")
        package = repository.open(name, version)
    except (PackageRefused, KeysInvalid) as error:
        raise ModelRefused(str(error)) from error
    variants = [str(precision) for precision in package.manifest.variants]
    if choice.precision is not PrecisionChoice.AUTO and choice.precision.value not in variants:
        there = _only_these(sorted(variants))
        raise ModelRefused(f"{name} version {version} has no {choice.precision}{there}; choose with --precision")
    return package


def _only_these(names: Sequence[str]) -> str:
    return f", only {', '.join(names)}" if names else " and no other either"


def _only(repository: ModelRepository) -> str:
    names = repository.names()
    if len(names) != 1:
        there = f"the models {', '.join(names)}" if names else "no model"
        raise ModelRefused(f"{repository.root} has {there}; name one with --model")
    return names[0]


class LoadedModel:
    """A live model with the event loop that it was loaded on, which stands still between the calls."""

    def __init__(self, choice: ModelChoice, *, threads: int, batch_size: int, max_image_bytes: int) -> None:
        self._runner = asyncio.Runner()
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="load")
        package = open_package(choice)
        try:
            loader = ModelLoader(
                provider=choose_provider(choice.device).name,
                threads=threads,
                precision=choice.precision,
                policy=BatchPolicy(max_batch_size=batch_size),
                limits=ImageLimits(max_bytes=max_image_bytes),
                workers=self._workers,
                observer=LoadObserver(stage=_unobserved, batch=_unobserved),
            )
            self.live: LiveModel = self._runner.run(loader.load(package))
        except (PackageRefused, ProviderUnavailable) as error:
            self._runner.close()
            raise ModelRefused(str(error)) from error

    @property
    def facts(self) -> Model:
        manifest = self.live.manifest
        return Model(
            name=manifest.name,
            version=manifest.version,
            digest=self.live.digest,
            precision=str(self.live.precision),
            provider=self.live.provider,
            labels=tuple(manifest.labels),
            embedding_size=manifest.outputs.embedding_size or 0,
        )

    def close(self) -> None:
        self._runner.run(self.live.drain())
        self._runner.close()
        self._workers.shutdown(wait=False)


def _unobserved(*_: object) -> None:
    """A job has its own progress and summary."""
