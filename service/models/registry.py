"""The live versions: loads those that the repository selects, swaps new ones in, and releases old ones."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from service.errors import ModelNotFound
from service.machine import give_back_memory
from service.models.catalogue import Catalogue
from service.models.entry import Entry, State, Watch
from service.models.live_model import LiveModel
from service.models.package import Package, PackageRefused
from service.models.plain_loader import LivePlainModel
from service.models.plain_model import PlainModel
from service.models.repository import STABLE, ModelRepository
from service.models.routes import Route
from service.models.usage import Usage

__all__ = ["Entry", "Registry", "State", "Watch"]

UNLOADED_ON_REQUEST = "it was unloaded on request"
REPLACED = "the repository selects it no longer"
NOT_SELECTED = "it is neither the highest version nor one that an alias names"


async def refuse_plain(model: PlainModel) -> LivePlainModel:
    """What loads plain models where none are served."""
    raise PackageRefused(f"{model.name}/{model.version} is a plain ONNX model without a manifest")


class Registry(Catalogue):
    """Loads the versions that the repository selects; what it inherits finds the one that a request means."""

    def __init__(
        self,
        repository: ModelRepository,
        load: Callable[[Package], Awaitable[LiveModel]],
        *,
        watch: Watch,
        require_all: bool = True,
        load_plain: Callable[[PlainModel], Awaitable[LivePlainModel]] = refuse_plain,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(watch=watch, draw=draw)
        self._repository = repository
        self._load = load
        self._load_plain = load_plain
        self._require_all = require_all
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Loads every selected version; refusals are kept as entries in the state FAILED.

        Raises PackageRefused where the repository itself cannot be read or holds no model, and where a version was
        refused although all are required.
        """
        names = self._repository.names()
        if not names:
            raise PackageRefused(f"{self._repository.root} holds no model; publish one with `recognition-export`")
        selected = {name: await self._begin(name) for name in names}
        for name in names:
            for version in selected[name]:
                await self._load_version(self._entries[name, version])
        await asyncio.to_thread(give_back_memory)
        failed = [entry for entry in self.entries() if entry.state is State.FAILED]
        if failed and self._require_all:
            reasons = "; ".join(f"{entry.name} version {entry.version} is refused: {entry.reason}" for entry in failed)
            raise PackageRefused(f"{reasons} (--no-require-all-models serves the other models all the same)")

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
            try:
                await self._renew(name)
            finally:
                await asyncio.to_thread(give_back_memory)

    async def unload(self, name: str, *, reason: str = UNLOADED_ON_REQUEST) -> None:
        """Stops serving every version of a model, after all that they accepted. Raises ModelNotFound."""
        if not any(known == name for known, _ in self._entries):
            raise ModelNotFound(f"The repository holds no model {name[:64]!r}.")
        async with self._changing:
            await self._release(name, keep=(), reason=reason)
            await asyncio.to_thread(give_back_memory)

    async def condemn(self, name: str, version: int, *, reason: str) -> None:
        """A version that turned out to be wrong answers no more; it is not tried again until it is loaded anew."""
        entry = self._entries[name, version]
        if entry.answers is None:
            return
        await self._set(replace(entry, state=State.FAILED, reason=reason, live=None, plain=None))
        await _let_go(entry)

    async def _begin(self, name: str) -> Sequence[int]:
        """Notes the versions of a model; gives those that are to be loaded."""
        self._routes[name] = {}
        try:
            self._routes[name] = self._repository.routes(name)
            selected = self._repository.selected(name)
        except PackageRefused as error:
            if self._require_all:
                raise
            for version in self._repository.versions(name):  # which of them is wanted nobody knows
                await self._set(replace(self._found(name, version), state=State.FAILED, reason=str(error)))
            return ()
        for version in self._repository.versions(name):
            await self._set(self._found(name, version))
        return selected

    async def _renew(self, name: str) -> None:
        """Loads what is new beside what answers, then moves the aliases, then lets go of what is old."""
        routes, selected = self._repository.routes(name), self._repository.selected(name)
        self._routes.setdefault(name, routes)
        for version in self._repository.versions(name):
            if (name, version) not in self._entries:
                await self._set(self._found(name, version))
        for version in selected:
            if self._entries[name, version].answers is None:
                await self._load_version(self._entries[name, version])
        refused = [self._entries[name, version] for version in selected if not self._entries[name, version].answers]
        await self._move(name, routes)
        if refused:  # what answered before stays
            raise PackageRefused(f"{name} version {refused[0].version} is refused: {refused[0].reason}")
        await self._release(name, keep=selected, reason=REPLACED)

    async def _move(self, name: str, routes: Mapping[str, Route]) -> None:
        """Lets the aliases lead where they lead on disk, but for those that would lead away from what answers."""
        before = self._routes[name]
        self._routes[name] = {
            alias: after
            for alias, route in routes.items()
            if (after := self._moved(name, alias, before.get(alias), route)) is not None
        }
        for entry in self.entries():
            if entry.name == name and entry.aliases != (aliases := self._aliases_of(name, entry.version)):
                await self._set(replace(entry, aliases=aliases))

    def _moved(self, name: str, alias: str, before: Route | None, after: Route) -> Route | None:
        """Where an alias leads from now on; None where that is not known yet."""
        answering = {number for known, number in self._entries if known == name and self._answers(name, number)}
        if after.versions <= answering:
            return after
        if before is not None:
            return before if before.version in answering else after
        return None if alias == STABLE and answering else after

    async def _release(self, name: str, *, keep: Sequence[int], reason: str) -> None:
        there = set(self._repository.versions(name)) if name in self._repository.names() else set()
        for entry in self.entries():
            if entry.name != name or entry.version in keep:
                continue
            if entry.answers is not None:
                await self._set(replace(entry, state=State.UNLOADED, reason=reason, live=None, plain=None))
                await _let_go(entry)
            if entry.version not in there and reason == REPLACED:
                self._drop(entry)

    def _found(self, name: str, version: int) -> Entry:
        aliases = self._aliases_of(name, version)
        return Entry(name=name, version=version, state=State.UNLOADED, reason=NOT_SELECTED, aliases=aliases)

    async def _load_version(self, entry: Entry) -> None:
        name, version = entry.name, entry.version
        entry = replace(entry, state=State.LOADING, reason="", usage=Usage())
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
        except Exception as error:  # a device that cannot be used, say: the caller's to tell
            await self._set(replace(entry, state=State.FAILED, reason="it could not be loaded", cause=error))
            raise
        await self._set(replace(entry, state=State.READY))


async def _let_go(entry: Entry) -> None:
    """Ends what an entry answered with, after the last request that uses it."""
    await entry.usage.quiet()
    if entry.answers is not None:
        await entry.answers.drain()
