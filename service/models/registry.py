"""The live versions: which exist, in what state, and which one answers a request."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from service.errors import ArgumentInvalid, ModelNotFound, ModelNotReady, VersionNotFound
from service.models.live_model import LiveModel
from service.models.manifest import Manifest
from service.models.package import Package, PackageRefused
from service.models.plain_loader import LivePlainModel
from service.models.plain_model import PlainModel
from service.models.repository import STABLE, ModelRepository


class State(StrEnum):
    """What a version is doing."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one version. In the states READY and DRAINING either `live` or `plain` is there."""

    name: str
    version: int
    state: State
    reason: str = ""
    aliases: tuple[str, ...] = ()
    manifest: Manifest | None = None
    digest: str = ""
    live: LiveModel | None = None
    """The package as it answers."""
    plain: LivePlainModel | None = None
    """The plain model as it answers."""
    cause: BaseException | None = None
    """What the runtime said, for the log; clients see `reason` only."""

    @property
    def answers(self) -> LiveModel | LivePlainModel | None:
        return self.live or self.plain


Watch = Callable[[Entry], Awaitable[None]]
UNLOADED_ON_REQUEST = "it was unloaded on request"


async def refuse_plain(model: PlainModel) -> LivePlainModel:
    """What loads plain models where none are served."""
    raise PackageRefused(f"{model.name}/{model.version} is a plain ONNX model without a manifest")


class Registry:
    """Loads the versions that the repository selects and finds the one that a request means."""

    def __init__(
        self,
        repository: ModelRepository,
        load: Callable[[Package], Awaitable[LiveModel]],
        *,
        watch: Watch,
        require_all: bool = True,
        load_plain: Callable[[PlainModel], Awaitable[LivePlainModel]] = refuse_plain,
    ) -> None:
        self._repository = repository
        self._load = load
        self._load_plain = load_plain
        self._watch = watch
        self._require_all = require_all
        self._entries: dict[tuple[str, int], Entry] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Loads every selected version; refusals are kept as entries in the state FAILED.

        Raises PackageRefused where the repository itself cannot be read or holds no model, and where a version was
        refused although all are required.
        """
        names = self._repository.names()
        if not names:
            raise PackageRefused(f"{self._repository.root} holds no model; publish one with `recognition-export`")
        for name in names:
            await self._look_up(name)
        for name in names:
            for version in self._repository.selected(name):
                await self._load_version(name, version)
        failed = [entry for entry in self.entries() if entry.state is State.FAILED]
        if failed and self._require_all:
            reasons = "; ".join(f"{entry.name} version {entry.version} is refused: {entry.reason}" for entry in failed)
            raise PackageRefused(f"{reasons} (--no-require-all-models serves the other models all the same)")

    def entries(self) -> list[Entry]:
        """All versions, sorted by name and version."""
        return [self._entries[key] for key in sorted(self._entries)]

    def find(self, name: str, *, version: int | None = None, alias: str | None = None) -> Entry:
        """The version that a request means, in whatever state.

        Without a version or alias: the one that `stable` names, else the highest that is ready, else the highest.
        Raises ModelNotFound, VersionNotFound or ArgumentInvalid.
        """
        name = name or self._only_name()
        versions = sorted(number for known, number in self._entries if known == name)
        if not versions:
            raise ModelNotFound(f"There is no model {name[:64]!r}; ListModels names those that there are.")
        if alias is not None:
            version = self._aliases[name].get(alias)
            if version is None:
                raise VersionNotFound(f"The model {name} has no alias {alias[:64]!r}.", model=name)
        elif version is None:
            version = self._default(name, versions)
        if (name, version) not in self._entries:
            numbers = ", ".join(map(str, versions[-10:]))
            raise VersionNotFound(f"The model {name} has no version {version}; it has {numbers}.", model=name)
        return self._entries[name, version]

    def resolve(self, name: str, *, version: int | None = None, alias: str | None = None) -> LiveModel:
        """The live package that answers.

        Raises ModelNotReady, and ArgumentInvalid for a plain model, besides what `find` raises.
        """
        entry = self.find(name, version=version, alias=alias)
        if entry.plain is not None:
            raise ArgumentInvalid(
                f"{entry.name} is a plain ONNX model, which takes tensors and no images: call it through the "
                "Open Inference Protocol (inference.GRPCInferenceService, or /v2/models over HTTP).",
                field="model.name",
            )
        if entry.live is None:
            raise ModelNotReady(
                f"{entry.name} version {entry.version} does not answer, it is {entry.state}; GetModel says why.",
                model=entry.name,
            )
        return entry.live

    async def drain(self) -> None:
        """Lets every live model finish what it accepted."""
        for entry in self.entries():
            if entry.answers is not None:
                await self._set(replace(entry, state=State.DRAINING))
                await entry.answers.drain()

    async def load(self, name: str) -> None:
        """Serves the versions that the repository selects now, and no others; what answers goes on meanwhile.

        Raises ModelNotFound, and PackageRefused where a version is refused: then all that answered before stays.
        """
        if name not in self._repository.names():
            raise ModelNotFound(f"The repository holds no model {name[:64]!r}.")
        async with self._changing:
            await self._look_up(name)
            selected = self._repository.selected(name)
            for version in selected:
                if self._entries[name, version].answers is None:
                    await self._load_version(name, version)
            refused = [self._entries[name, version] for version in selected if not self._entries[name, version].answers]
            if not refused:  # else what answered before stays
                await self._release(name, keep=selected)
        if refused:
            raise PackageRefused(f"{name} version {refused[0].version} is refused: {refused[0].reason}")

    async def unload(self, name: str) -> None:
        """Stops serving every version of a model, after all that they accepted. Raises ModelNotFound."""
        if not any(known == name for known, _ in self._entries):
            raise ModelNotFound(f"The repository holds no model {name[:64]!r}.")
        async with self._changing:
            await self._release(name, keep=())

    async def _release(self, name: str, *, keep: Sequence[int]) -> None:
        for entry in self.entries():
            if entry.name == name and entry.version not in keep and entry.answers is not None:
                unloaded = replace(entry, state=State.UNLOADED, reason=UNLOADED_ON_REQUEST, live=None, plain=None)
                await self._set(unloaded)
                await entry.answers.drain()

    async def _look_up(self, name: str) -> None:
        """Notes the aliases of a model as they are now, and the versions that are not known yet."""
        self._aliases[name] = self._repository.aliases(name)
        for version in self._repository.versions(name):
            found = self._found(name, version)
            known = self._entries.get((name, version))
            if known is None:
                await self._set(found)
            elif known.aliases != found.aliases:
                await self._set(replace(known, aliases=found.aliases))

    def _only_name(self) -> str:
        names = {name for name, _ in self._entries}
        if len(names) != 1:
            raise ArgumentInvalid(
                f"Name a model: there are {len(names)}, and ListModels names them.", field="model.name"
            )
        return names.pop()

    def _default(self, name: str, versions: list[int]) -> int:
        stable = self._aliases[name].get(STABLE)
        if stable is not None:
            return stable
        ready = [number for number in versions if self._entries[name, number].answers is not None]
        return (ready or versions)[-1]

    def _found(self, name: str, version: int) -> Entry:
        aliases = tuple(sorted(alias for alias, number in self._aliases[name].items() if number == version))
        return Entry(
            name=name,
            version=version,
            state=State.UNLOADED,
            reason="it is neither the highest version nor one that an alias names",
            aliases=aliases,
        )

    async def _load_version(self, name: str, version: int) -> None:
        entry = replace(self._entries[name, version], state=State.LOADING, reason="")
        await self._set(entry)
        try:
            if self._repository.is_plain(name, version):
                plain = await self._load_plain(self._repository.open_plain(name, version))
                entry = replace(entry, digest=plain.digest, plain=plain)
            else:
                package = self._repository.open(name, version)
                entry = replace(entry, manifest=package.manifest, digest=package.digest)
                entry = replace(entry, live=await self._load(package))
        except PackageRefused as error:
            await self._set(replace(entry, state=State.FAILED, reason=str(error), cause=error.__cause__))
            return
        await self._set(replace(entry, state=State.READY))

    async def _set(self, entry: Entry) -> None:
        self._entries[entry.name, entry.version] = entry
        await self._watch(entry)
