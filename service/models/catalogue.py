"""Which versions are known, where the aliases lead, and which version a request means. It loads nothing."""

import random
from collections.abc import Callable, Mapping

from service.errors import ArgumentInvalid, ModelNotFound, ModelNotReady, VersionNotFound
from service.models.entry import Entry, Watch
from service.models.live_model import LiveModel
from service.models.repository import STABLE
from service.models.routes import Route


class Catalogue:
    """What the doors ask; the registry fills it."""

    def __init__(self, *, watch: Watch, draw: Callable[[], float] = random.random) -> None:
        """`draw` gives a number in [0, 1) for each request whose alias shares its requests between two versions."""
        self._watch = watch
        self._draw = draw
        self._entries: dict[tuple[str, int], Entry] = {}
        self._numbers: dict[str, list[int]] = {}
        """Of the versions of each model, in their order, since every request asks."""
        self._routes: dict[str, Mapping[str, Route]] = {}

    def entries(self) -> list[Entry]:
        """All versions, sorted by name and version."""
        return [self._entries[key] for key in sorted(self._entries)]

    def routes(self) -> Mapping[str, Mapping[str, Route]]:
        """Model → alias → where it leads now."""
        return self._routes

    def find(self, name: str, *, version: int | None = None, alias: str | None = None) -> Entry:
        """The version that a request means, in whatever state.

        Without a version or alias: the one that `stable` names, else the highest that is ready, else the highest.
        Raises ModelNotFound, VersionNotFound or ArgumentInvalid.
        """
        name = name or self._only_name()
        versions = self._versions(name)
        if not versions:
            raise ModelNotFound(f"There is no model {name[:64]!r}; ListModels names those that there are.")
        if alias is not None:
            route = self._routes[name].get(alias)
            if route is None:
                raise VersionNotFound(f"The model {name} has no alias {alias[:64]!r}.", model=name)
            version = route.version
        elif version is None:
            version = self._default(name, versions)
        entry = self._entries.get((name, version))
        if entry is None:
            numbers = ", ".join(map(str, versions[-10:]))
            raise VersionNotFound(f"The model {name} has no version {version}; it has {numbers}.", model=name)
        return entry

    def choose(self, name: str, *, version: int | None = None, alias: str | None = None) -> Entry:
        """The version that answers a request: what `find` finds, or its alias's canary for that one's share.

        It stays loaded until the task that asked is done. Raises what `find` raises.
        """
        entry = self.find(name, version=version, alias=alias)
        route = self._routes[entry.name].get(alias or STABLE) if version is None else None
        if route is not None and route.canary is not None and self._draw() < route.canary.share:
            canary = self._entries.get((entry.name, route.canary.version))
            entry = canary if canary is not None and canary.answers is not None else entry
        entry.usage.hold()
        return entry

    def resolve(self, name: str, *, version: int | None = None, alias: str | None = None) -> LiveModel:
        """The live package that a request means, whoever answers its alias's share.

        Raises ModelNotReady, and ArgumentInvalid for a plain model, besides what `find` raises.
        """
        return package_of(self.find(name, version=version, alias=alias))

    def _only_name(self) -> str:
        names = {name for name, _ in self._entries}
        if len(names) != 1:
            raise ArgumentInvalid(
                f"Name a model: there are {len(names)}, and ListModels names them.", field="model.name"
            )
        return names.pop()

    def _default(self, name: str, versions: list[int]) -> int:
        stable = self._routes[name].get(STABLE)
        if stable is not None:
            return stable.version
        if len(versions) == 1:
            return versions[0]
        ready = [number for number in versions if self._answers(name, number)]
        return (ready or versions)[-1]

    def _answers(self, name: str, version: int) -> bool:
        return self._entries[name, version].answers is not None

    def _versions(self, name: str) -> list[int]:
        """Sorted; empty for a model that there is not."""
        numbers = self._numbers.get(name)
        if numbers is None:
            numbers = sorted(number for known, number in self._entries if known == name)
            if numbers:  # names that callers make up are not kept
                self._numbers[name] = numbers
        return numbers

    def _aliases_of(self, name: str, version: int) -> tuple[str, ...]:
        return tuple(sorted(alias for alias, route in self._routes[name].items() if route.version == version))

    async def _set(self, entry: Entry) -> None:
        self._entries[entry.name, entry.version] = entry
        self._numbers.pop(entry.name, None)
        await self._watch(entry)

    def _drop(self, entry: Entry) -> None:
        del self._entries[entry.name, entry.version]
        self._numbers.pop(entry.name, None)


def package_of(entry: Entry) -> LiveModel:
    """The package that an entry answers with. Raises ModelNotReady, and ArgumentInvalid for a plain model."""
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
