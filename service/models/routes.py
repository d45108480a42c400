"""Where an alias leads: `aliases.json`, read and written as values.

{"stable": 3}                                                        one version
{"stable": {"version": 3, "canary": {"version": 4, "share": 0.05}}}  a share of the requests goes to another version
{"stable": {"version": 3, "shadow": {"version": 4, "share": 1.0}}}   a share is copied to it, and only compared
{"stable": {"version": 4, "previous": 3}}                            what `rollback` goes back to
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from service.models.variant import Frozen

EXAMPLE = 'for example {"stable": 3}'

Version = Annotated[int, Field(strict=True)]


class AliasesInvalid(ValueError):
    """The file is not what is described above; the text says where."""


class Companion(Frozen):
    """A second version beside the one that an alias names."""

    version: Version
    share: Annotated[float, Field(gt=0.0, le=1.0)]
    """Of the requests."""


class Route(Frozen):
    """Where one alias leads."""

    version: Version
    canary: Companion | None = None
    """Answers its share of the requests."""
    shadow: Companion | None = None
    """Gets a copy of its share of the requests; its answers reach nobody."""
    previous: Version | None = None
    """What the alias named before."""

    @property
    def companions(self) -> tuple[Companion, ...]:
        return tuple(companion for companion in (self.canary, self.shadow) if companion is not None)

    @property
    def versions(self) -> frozenset[int]:
        """All that must be loaded for it."""
        return frozenset({self.version, *(companion.version for companion in self.companions)})


def routes_from(content: bytes) -> dict[str, Route]:
    """Raises AliasesInvalid."""
    try:
        values = json.loads(content)
    except ValueError as error:
        raise AliasesInvalid("cannot be read as JSON") from error
    if not isinstance(values, dict):
        raise AliasesInvalid(f"must map aliases to version numbers, {EXAMPLE}")
    return {alias: _route(alias, value) for alias, value in values.items()}


def routes_to_bytes(routes: Mapping[str, Route]) -> bytes:
    """A route that is no more than a version is written as its number."""
    values = {alias: _plain(route) for alias, route in routes.items()}
    return (json.dumps(values, indent=1, sort_keys=True) + "\n").encode()


def _route(alias: str, value: Any) -> Route:
    if not isinstance(value, dict):
        value = {"version": value}
    try:
        return Route.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise AliasesInvalid(
            f"must map aliases to version numbers, {EXAMPLE}; of {alias[:64]!r}, {where}: {first['msg']}"
        ) from error


def _plain(route: Route) -> Any:
    values = route.model_dump(exclude_none=True)
    return route.version if set(values) == {"version"} else values
