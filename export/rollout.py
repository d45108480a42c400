"""How a new version comes into use by way of an alias: tried by a share of the requests, taken, or taken back.

Each function gives the alias's new route; who serves the repository takes it up with no failed request.
"""

from collections.abc import Callable
from functools import partial

from export.errors import TrialPointless, VersionMissing
from service.models.routes import Companion, Route

Change = Callable[[Route], Route]


def with_canary(version: int, share: float) -> Change:
    """The version answers a share of the alias's requests."""
    return partial(_beside, canary=Companion(version=version, share=share))


def with_shadow(version: int, share: float) -> Change:
    """The version gets a copy of a share of the alias's requests, and its answers are only compared."""
    return partial(_beside, shadow=Companion(version=version, share=share))


def _beside(route: Route, *, canary: Companion | None = None, shadow: Companion | None = None) -> Route:
    """Raises TrialPointless where the alias names the version already."""
    trial = Route(version=route.version, previous=route.previous, canary=canary, shadow=shadow)
    if any(companion.version == route.version for companion in trial.companions):
        raise TrialPointless(
            f"version {route.version} answers already; name another version to try beside it "
            "(`recognition-export list` shows those there are)"
        )
    return trial


def promoted(route: Route) -> Route:
    """The canary or shadow answers everything. Raises VersionMissing where there is none."""
    if not route.companions:
        raise VersionMissing("there is no canary and no shadow to promote; `recognition-export canary` sets one")
    return Route(version=route.companions[0].version, previous=route.version)


def rolled_back(route: Route) -> Route:
    """Ends a trial; where there is none, goes back to the version before. Raises VersionMissing without one."""
    if route.companions:
        return Route(version=route.version, previous=route.previous)
    if route.previous is None:
        raise VersionMissing("there is nothing to go back to: the alias has named no other version before")
    return Route(version=route.previous, previous=route.version)
