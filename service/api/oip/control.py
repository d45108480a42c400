"""The model repository extension: which versions there are, and, where the operator allows it, loading and unloading.

Only names of the configured repository are taken; no caller brings a path, a configuration or a file.
"""

from collections.abc import Collection

from recognition.oip import open_inference_pb2 as pb

from service.errors import ArgumentInvalid, ModelNotFound, ModelNotReady, NotOffered
from service.models.package import PackageRefused
from service.models.registry import Registry, State

STATES = {
    State.UNLOADED: "UNAVAILABLE",
    State.LOADING: "LOADING",
    State.READY: "READY",
    State.FAILED: "UNAVAILABLE",
    State.DRAINING: "UNLOADING",
}
IGNORED_WHEN_UNLOADING = frozenset({"unload_dependents"})


class Control:
    """`explicit` says whether models may be loaded and unloaded by request."""

    def __init__(self, registry: Registry, *, explicit: bool) -> None:
        self._registry = registry
        self.explicit = explicit

    def index(self, repository: str, *, only_ready: bool) -> list[pb.RepositoryIndexResponse.ModelIndex]:
        """Sorted by name and version. Raises NotOffered for a repository with a name."""
        _refuse_named(repository)
        return [
            pb.RepositoryIndexResponse.ModelIndex(
                name=entry.name, version=str(entry.version), state=STATES[entry.state], reason=entry.reason
            )
            for entry in self._registry.entries()
            if entry.state is State.READY or not only_ready
        ]

    async def load(self, repository: str, name: str, parameters: Collection[str]) -> None:
        """Returns when the model is ready. Raises a ServiceError."""
        self._check(repository, name, "load")
        if parameters:
            raise ArgumentInvalid(
                f"failed to load '{name[:64]}': models are loaded as they lie in the repository; no config and no file "
                "is taken from callers",
                field="parameters",
            )
        try:
            await self._registry.load(name)
        except ModelNotFound as error:
            raise ModelNotFound(
                f"failed to load '{name[:64]}', failed to poll from model repository: it holds no such model"
            ) from error
        except PackageRefused as error:
            raise ModelNotReady(f"failed to load '{name}': {error}", model=name) from error

    async def unload(self, repository: str, name: str, parameters: Collection[str]) -> None:
        """Returns when everything that was accepted is answered. Raises a ServiceError."""
        self._check(repository, name, "unload")
        unknown = sorted(set(parameters) - IGNORED_WHEN_UNLOADING)
        if unknown:
            raise ArgumentInvalid(f"unloading takes no parameter '{unknown[0][:64]}'", field="parameters")
        await self._registry.unload(name)

    def _check(self, repository: str, name: str, action: str) -> None:
        _refuse_named(repository)
        if not self.explicit:
            raise NotOffered(
                f"explicit model load / unload is not allowed: to {action} '{name[:64]}' by request, the server must "
                "run with model_control = explicit"
            )


def _refuse_named(repository: str) -> None:
    if repository:
        raise NotOffered("'repository_name' specification is not supported: there is one repository, leave it empty")
