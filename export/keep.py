"""What is done to versions in a directory that are published already: listing, naming, signing, removing old ones."""

import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from export.alone import alone
from export.errors import NameInvalid, PublicationFailed, VersionMissing
from export.publish import Sign
from export.rollout import Change
from service.models.manifest import MANIFEST_FILE, NAME_PATTERN, Precision
from service.models.repository import ALIASES_FILE, ModelRepository, Package, PackageRefused
from service.models.routes import Route, routes_to_bytes
from service.models.signature import SIGNATURE_FILE

MOST_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionSummary:
    """One version in a list; `problem` says why it cannot be served."""

    name: str
    version: int
    aliases: tuple[str, ...]
    precisions: tuple[str, ...] = ()
    accuracy: float | None = None
    size_bytes: int = 0
    digest: str = ""
    problem: str = ""


def open_version(root: Path, name: str, version: int) -> Package:
    """The package, every file of it checked. Raises VersionMissing or PublicationFailed."""
    repository = ModelRepository(root)
    if version not in versions_of(root, name):
        there = ", ".join(map(str, versions_of(root, name))) or "none at all"
        raise VersionMissing(f"{name} has no version {version}; it has {there}")
    try:
        package = repository.open(name, version)
        package.check_files()
    except PackageRefused as error:
        raise PublicationFailed(str(error)) from error
    return package


def number_of(root: Path, name: str, which: str) -> int:
    """Of the version that a number or an alias names. Raises VersionMissing."""
    versions = versions_of(root, name)
    if which.isdecimal():
        return as_number(name, which)
    aliases = {alias: route.version for alias, route in _routes(root, name).items()}
    if which not in aliases:
        there = ", ".join([*map(str, versions), *sorted(aliases)]) or "none at all"
        raise VersionMissing(f"{name} has no version and no alias {which!r}; it has {there}")
    return aliases[which]


def as_number(name: str, digits: str) -> int:
    """Raises VersionMissing for more digits than any version has; Python itself reads only so many."""
    if len(digits) > MOST_DIGITS:
        raise VersionMissing(
            f"{name} has no version of {len(digits)} digits; `recognition-export list` names those there are"
        )
    return int(digits)


def versions_of(root: Path, name: str) -> list[int]:
    """Raises VersionMissing where there is no such model."""
    if not re.fullmatch(NAME_PATTERN, name) or not (root / name).is_dir():
        raise VersionMissing(
            f"{root} holds no model {name}; `recognition-export list --to {root}` names those there are"
        )
    return ModelRepository(root).versions(name)


def set_alias(root: Path, name: str, alias: str, version: int) -> dict[str, int]:
    """Lets the alias name the version, from now on; gives all aliases of the model. Written whole or not at all."""
    if not re.fullmatch(NAME_PATTERN, alias) or alias.isdecimal():
        raise NameInvalid(
            f"{alias!r} cannot be an alias: use letters, digits, dots, hyphens and underscores, not a number"
        )
    open_version(root, name, version)
    with alone(root / name):
        routes = _routes(root, name)
        before = routes.get(alias)
        previous = before.version if before is not None and before.version != version else None
        routes[alias] = Route(version=version, previous=previous)
        _write_whole(root / name / ALIASES_FILE, routes_to_bytes(routes))
    return {key: route.version for key, route in routes.items()}


def rerouted(root: Path, name: str, alias: str, change: Change) -> Route:
    """Where the alias would lead after the change; nothing is written. Raises VersionMissing without that alias."""
    versions_of(root, name)
    routes = _routes(root, name)
    if alias not in routes:
        raise VersionMissing(
            f"{name} has no alias {alias!r}; `recognition-export alias {name} {alias} VERSION` sets one"
        )
    return change(routes[alias])


def reroute(root: Path, name: str, alias: str, change: Change) -> Route:
    """Changes where an alias leads; all versions that it names are checked. Written whole or not at all."""
    versions_of(root, name)
    with alone(root / name):
        route = rerouted(root, name, alias, change)
        for version in sorted(route.versions):
            open_version(root, name, version)
        _write_whole(root / name / ALIASES_FILE, routes_to_bytes(_routes(root, name) | {alias: route}))
    return route


def sign_version(root: Path, name: str, version: int, sign: Sign) -> Package:
    """Puts a signature beside the manifest, in place of any other. Raises VersionMissing or PublicationFailed."""
    package = open_version(root, name, version)
    _write_whole(package.path / SIGNATURE_FILE, sign((package.path / MANIFEST_FILE).read_bytes()))
    return package


def summaries(root: Path, *, check: Callable[[Package], None] = Package.check_files) -> list[VersionSummary]:
    """Every version of every model, damaged ones included. Raises VersionMissing where there is no repository."""
    repository = ModelRepository(root)
    try:
        names = repository.names()
    except PackageRefused as error:
        raise VersionMissing(str(error)) from error
    return [_summary(repository, name, version, check) for name in names for version in repository.versions(name)]


def _summary(repository: ModelRepository, name: str, version: int, check: Callable[[Package], None]) -> VersionSummary:
    routes = _routes(repository.root, name)
    aliases = tuple(sorted(alias for alias, route in routes.items() if route.version == version))
    if repository.is_plain(name, version):
        return VersionSummary(name=name, version=version, aliases=aliases, problem="a plain ONNX model, no package")
    try:
        package = repository.open(name, version)
        check(package)
    except PackageRefused as error:
        return VersionSummary(name=name, version=version, aliases=aliases, problem=str(error))
    manifest = package.manifest
    return VersionSummary(
        name=name,
        version=version,
        aliases=aliases,
        precisions=tuple(map(str, manifest.variants)),
        accuracy=manifest.variants[Precision.FP32].metrics.accuracy,
        size_bytes=sum(record.size_bytes for record in manifest.files.values()),
        digest=package.digest,
    )


def prune(root: Path, name: str, *, keep: int) -> list[int]:
    """Removes all but the newest `keep` versions and those that an alias names or named last; gives what is gone."""
    routes = _routes(root, name).values()
    aliased = {number for route in routes for number in (*route.versions, route.previous)}
    versions = versions_of(root, name)
    gone = [version for version in versions[: -max(keep, 1)] if version not in aliased]
    for version in gone:
        doomed = root / name / f".removing-{uuid.uuid4().hex}"
        (root / name / str(version)).rename(doomed)  # a reader sees a whole version or none
        shutil.rmtree(doomed)
    return gone


def _routes(root: Path, name: str) -> dict[str, Route]:
    try:
        return ModelRepository(root).routes(name)
    except PackageRefused as error:
        raise PublicationFailed(f"{error}; mend or remove the file") from error


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise PublicationFailed(f"cannot write {path}: {error.strerror}; it stays as it was") from error
