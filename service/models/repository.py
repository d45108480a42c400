"""The model repository: a directory of packages, `<name>/<version>/`, read and never written by the service.

Nothing of a package is parsed before its SHA-256 agrees with the manifest; names and versions come from the directory
listing and from clients only as keys into it, so no request can reach a file outside.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from service.models.manifest import MANIFEST_FILE, NAME_PATTERN, Manifest, ManifestInvalid, digest_of

ALIASES_FILE = "aliases.json"
STABLE = "stable"


class PackageRefused(Exception):
    """The package must not be served; the text names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One version on disk, its manifest read. `digest` is the SHA-256 of the manifest."""

    path: Path
    manifest: Manifest
    digest: str

    def where(self, file: str) -> str:
        """How messages name a file of the package: its place in the repository."""
        return f"{self.manifest.name}/{self.manifest.version}/{file}"

    def read(self, file: str) -> bytes:
        """The content of a file of the package. Raises PackageRefused where it is not what the manifest says."""
        record = self.manifest.files[file]
        try:
            content = (self.path / file).read_bytes()
        except OSError as error:
            raise PackageRefused(f"{self.where(file)} cannot be read: {error.strerror}") from error
        found = digest_of(content)
        if found != record.sha256:
            raise PackageRefused(
                f"{self.where(file)} was changed after publishing: the manifest says SHA-256 {record.sha256}, "
                f"the file has {found}. Publish the model again."
            )
        return content

    def check_files(self) -> None:
        """Raises PackageRefused where any file of the package differs from its digest."""
        for file in self.manifest.files:
            self.read(file)


class ModelRepository:
    """Names, versions and aliases as they stand on disk at the moment of asking."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        """Models that have at least one version, sorted. Raises PackageRefused where the directory is not there."""
        try:
            entries = sorted(entry.name for entry in self._root.iterdir() if entry.is_dir())
        except OSError as error:
            raise PackageRefused(
                f"the model repository {self._root} cannot be read ({error.strerror}). "
                "Give a directory that `recognition-export` has published to."
            ) from error
        return [name for name in entries if re.match(NAME_PATTERN, name) and self.versions(name)]

    def versions(self, name: str) -> list[int]:
        """Published versions, ascending."""
        entries = (entry for entry in (self._root / name).iterdir() if entry.is_dir())
        return sorted(int(entry.name) for entry in entries if re.fullmatch(r"[1-9][0-9]{0,9}", entry.name))

    def aliases(self, name: str) -> dict[str, int]:
        """Alias → version. Raises PackageRefused where the file is not that."""
        path = self._root / name / ALIASES_FILE
        where = f"{name}/{ALIASES_FILE}"
        if not path.exists():
            return {}
        try:
            aliases = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise PackageRefused(f"{where} cannot be read as JSON") from error
        known = self.versions(name)
        if not isinstance(aliases, dict) or not all(type(number) is int for number in aliases.values()):
            raise PackageRefused(f'{where} must map aliases to version numbers, for example {{"stable": 3}}')
        for alias, number in aliases.items():
            if number not in known:
                raise PackageRefused(f"{where}: the alias {alias} names version {number}, which does not exist")
        return dict(aliases)

    def selected(self, name: str) -> list[int]:
        """The versions to load: the highest, and every one that an alias names."""
        return sorted({self.versions(name)[-1], *self.aliases(name).values()})

    def open(self, name: str, version: int) -> Package:
        """Reads and checks the manifest of a version. Raises PackageRefused."""
        path = self._root / name / str(version)
        where = f"{name}/{version}/{MANIFEST_FILE}"
        try:
            content = (path / MANIFEST_FILE).read_bytes()
            manifest = Manifest.from_bytes(content)
        except OSError as error:
            raise PackageRefused(f"{where} cannot be read: {error.strerror}") from error
        except ManifestInvalid as error:
            raise PackageRefused(f"{where} is not valid: {error}") from error
        if (manifest.name, manifest.version) != (name, version):
            raise PackageRefused(
                f"{where} describes {manifest.name} version {manifest.version}: the package was moved or renamed"
            )
        return Package(path=path, manifest=manifest, digest=digest_of(content))
