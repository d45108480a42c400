"""The registry as the caller of the current call may see it: models that are not on its token's list are refused."""

from service.api.auth.callers import current_caller
from service.errors import ArgumentInvalid
from service.models.registry import UNLOADED_ON_REQUEST, Entry, Registry


class ModelsOfCallers(Registry):
    """What the doors are given. The service itself, outside of any call, sees everything."""

    def entries(self) -> list[Entry]:
        """Those that the caller may use."""
        caller = current_caller.get()
        return [entry for entry in super().entries() if caller.may_use(entry.name)]

    def find(self, name: str, *, version: int | None = None, alias: str | None = None) -> Entry:
        """Raises NotPermitted besides what the registry raises, before anything says whether there is such a model."""
        name = name or self._only_visible()
        current_caller.get().check_model(name)
        return super().find(name, version=version, alias=alias)

    async def load(self, name: str) -> None:
        """Raises NotPermitted besides what the registry raises."""
        self._check_control(name)
        await super().load(name)

    async def unload(self, name: str, *, reason: str = UNLOADED_ON_REQUEST) -> None:
        """Raises NotPermitted besides what the registry raises."""
        self._check_control(name)
        await super().unload(name, reason=reason)

    def _check_control(self, name: str) -> None:
        caller = current_caller.get()
        caller.check_control()
        caller.check_model(name)

    def _only_visible(self) -> str:
        names = {entry.name for entry in self.entries()}
        if len(names) != 1:
            raise ArgumentInvalid(
                f"Name a model: there are {len(names)}, and ListModels names them.", field="model.name"
            )
        return names.pop()
