"""The model repository: a directory of packages and plain models, `<name>/<version>/`, read and never written here.

Nothing of a package is parsed before its SHA-256 agrees with the manifest; names and versions come from the directory
listing and from clients only as keys into it, so no request can reach a file outside.
"""

import re
from pathlib import Path

from service.models.containment import check_contained
from service.models.manifest import GOLDEN_FILE, MANIFEST_FILE, NAME_PATTERN, Manifest, ManifestInvalid, digest_of
from service.models.package import Package, PackageRefused
from service.models.plain_model import PlainModel, open_plain_model
from service.models.routes import AliasesInvalid, Route, routes_from
from service.models.signature import TrustedKeys
from service.models.triton_config import ConfigInvalid, read_config, versions_to_serve

__all__ = ["ALIASES_FILE", "STABLE", "ModelRepository", "Package", "PackageRefused", "PlainModel"]

ALIASES_FILE = "aliases.json"
STABLE = "stable"


class ModelRepository:
    """Names, versions and aliases as they stand on disk at the moment of asking.

    With trusted keys nothing is opened that none of them has signed.
    """

    def __init__(self, root: Path, *, trusted: TrustedKeys | None = None) -> None:
        self.root = root
        self._trusted = trusted

    def names(self) -> list[str]:
        """Models that have at least one version, sorted. Raises PackageRefused where the directory is not there."""
        try:
            entries = sorted(entry.name for entry in self.root.iterdir() if entry.is_dir())
        except OSError as error:
            raise PackageRefused(
                f"the model repository {self.root} cannot be read ({error.strerror}). "
                "Give a directory that `recognition-export` has published to."
            ) from error
        return [name for name in entries if re.fullmatch(NAME_PATTERN, name) and self.versions(name)]

    def versions(self, name: str) -> list[int]:
        """Published versions, ascending."""
        entries = (entry for entry in (self.root / name).iterdir() if entry.is_dir())
        return sorted(int(entry.name) for entry in entries if re.fullmatch(r"[1-9][0-9]{0,9}", entry.name))

    def aliases(self, name: str) -> dict[str, int]:
        """Alias → version. Raises PackageRefused where the file is not that."""
        return {alias: route.version for alias, route in self.routes(name).items()}

    def routes(self, name: str) -> dict[str, Route]:
        """Alias → where it leads. Raises PackageRefused where the file is not that."""
        where = f"{name}/{ALIASES_FILE}"
        try:
            routes = routes_from((self.root / name / ALIASES_FILE).read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PackageRefused(f"{where} cannot be read: {error.strerror}") from error
        except AliasesInvalid as error:
            raise PackageRefused(f"{where} {error}") from error
        known = self.versions(name)
        for alias, route in routes.items():
            for number in sorted(route.versions.difference(known)):
                raise PackageRefused(f"{where}: the alias {alias} names version {number}, which does not exist")
        return routes

    def fingerprint(self, name: str) -> tuple[object, ...]:
        """Changes when the versions, what an alias names, or a file of a version that is to be loaded does."""
        home = self.root / name
        aliases = home / ALIASES_FILE
        try:
            looked_at = [home / str(version) for version in self.selected(name)]
        except PackageRefused:
            looked_at = []
        files = (file for place in (home, *looked_at) for file in sorted(place.iterdir()) if file.is_file())
        stats = tuple((str(file), (stat := file.stat()).st_size, stat.st_mtime_ns, stat.st_ino) for file in files)
        content = aliases.read_bytes() if aliases.exists() else b""
        return (tuple(self.versions(name)), content, stats)

    def selected(self, name: str) -> list[int]:
        """The versions to load: the highest, and every one that an alias names.

        Of a plain model, those of its config.pbtxt's version policy instead of the highest.
        """
        versions = self.versions(name)
        chosen = versions[-1:]
        if self.is_plain(name, versions[-1]):
            try:
                chosen = versions_to_serve(read_config(self.root / name), versions)
            except ConfigInvalid:
                chosen = versions[-1:]  # opening it says what is wrong
        return sorted({*chosen, *(number for route in self.routes(name).values() for number in route.versions)})

    def is_plain(self, name: str, version: int) -> bool:
        """Whether the version is a bare ONNX model. A package that lost its manifest is none: it must stay refused."""
        path = self.root / name / str(version)
        of_a_package = (path / MANIFEST_FILE).exists() or (path / GOLDEN_FILE).exists()
        return not of_a_package and any(path.glob("*.onnx"))

    def open_plain(self, name: str, version: int) -> PlainModel:
        """Reads what lies beside the graph. Raises PackageRefused."""
        if self._trusted is not None:
            raise PackageRefused(
                f"{name}/{version} is a plain ONNX model, which cannot be signed, and only signed packages are served "
                "here (trusted_keys); `recognition-export import` makes a package of it"
            )
        check_contained(self.root, name, version)
        return open_plain_model(self.root / name, version)

    def open(self, name: str, version: int) -> Package:
        """Reads and checks the manifest of a version. Raises PackageRefused."""
        path = self.root / name / str(version)
        where = f"{name}/{version}/{MANIFEST_FILE}"
        check_contained(self.root, name, version)
        try:
            content = (path / MANIFEST_FILE).read_bytes()
            if self._trusted is not None:
                self._trusted.check(content, path, f"{name}/{version}")
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
