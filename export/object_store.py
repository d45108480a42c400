"""A model repository in object storage (S3, Google Cloud Storage, whatever fsspec knows), with a local mirror.

Such stores have no rename. A number is claimed by creating `<version>/.publishing`, which only one can; the files
follow, and the manifest comes last: a version without a manifest is none, and is what a killed export leaves. All else
is done in the mirror by the very functions that serve a directory, and then carried over.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

import fsspec
from fsspec.core import url_to_fs

from export import keep
from export.draft import Draft
from export.errors import DestinationUnknown, ExportError, PublicationFailed, VersionMissing
from export.keep import VersionSummary
from export.object_lock import LOCK_FILE, alone
from export.publish import Prove, Sign, publish
from export.rollout import Change
from service.models.manifest import MANIFEST_FILE, NAME_PATTERN
from service.models.repository import ALIASES_FILE, Package, PackageRefused
from service.models.routes import Route
from service.models.signature import SIGNATURE_FILE
from service.models.triton_config import CONFIG_FILE, LABELS_FILE

CLAIM_FILE = ".publishing"
BESIDE = (ALIASES_FILE, CONFIG_FILE, LABELS_FILE)


def open_store(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system and the path in it. Raises DestinationUnknown."""
    try:
        files, root = url_to_fs(url)
    except ImportError as error:
        raise DestinationUnknown(
            f"{url}: {error}; `pip install 'recognition[s3]'` or `[gcs]` brings what those two need"
        ) from error
    except ValueError as error:
        raise DestinationUnknown(f"{url}: {error}; name a directory or a URL that fsspec knows") from error
    return files, str(root).rstrip("/")


class ObjectDestination:
    """`scratch` holds the mirror, as far as something was asked for; it is the caller's to remove."""

    def __init__(self, files: fsspec.AbstractFileSystem, root: str, *, url: str, scratch: Path) -> None:
        self._files = files
        self._root = root
        self._url = url
        self._mirror = scratch

    def place(self, name: str, version: int) -> str:
        return f"{self._url}/{name}/{version}"

    def publish(self, draft: Draft, *, prove: Prove, sign: Sign | None = None) -> Package:
        name = draft.manifest.name
        with self._reached("Nothing was published; "):
            self._fetch_beside(name)
            while True:
                for number in self._numbers(name):
                    (self._mirror / name / str(number)).mkdir(parents=True, exist_ok=True)
                package = publish(draft, self._mirror, prove=prove, sign=sign)
                if self._claim(name, package.manifest.version):
                    break
                shutil.rmtree(package.path)  # another export was given this number meanwhile
                prove = _proved
            try:
                self._upload(package)
            except BaseException:
                with suppress(Exception):
                    self._files.rm(self._path(name, package.manifest.version), recursive=True)
                raise
            for file in (CONFIG_FILE, LABELS_FILE):
                self._files.pipe_file(self._path(name, file), (self._mirror / name / file).read_bytes())
        return package

    def newest(self, name: str) -> Package | None:
        with self._reached():
            numbers = self._numbers(name)
            whole = numbers and self._files.exists(self._path(name, numbers[-1], MANIFEST_FILE))
        if not whole:
            return None
        with suppress(PublicationFailed):
            return self.open(name, numbers[-1])
        return None

    def number(self, name: str, which: str) -> int:
        if which.isdecimal():
            return keep.as_number(name, which)
        self._fetch(name)
        return keep.number_of(self._mirror, name, which)

    def open(self, name: str, version: int) -> Package:
        self._fetch(name, whole=(version,))
        return keep.open_version(self._mirror, name, version)

    def summaries(self) -> list[VersionSummary]:
        """Sizes are compared and not digests, which would take reading every byte of the repository."""
        with self._reached():
            names = self._directories(self._root)
        if names is None:
            raise VersionMissing(f"{self._url} holds no model repository; `recognition-export RUN --to` makes one")
        for name in names:
            self._fetch(name)
        return keep.summaries(self._mirror, check=self._check_sizes) if names else []

    def sign(self, name: str, version: int, sign: Sign) -> Package:
        self._fetch(name, whole=(version,))
        package = keep.sign_version(self._mirror, name, version, sign)
        with self._reached("It is not signed; "):
            self._put(package.path / SIGNATURE_FILE, name, version)
        return package

    def set_alias(self, name: str, alias: str, version: int) -> dict[str, int]:
        self._fetch(name, whole=(version,))
        with self._alone(name):
            aliases = keep.set_alias(self._mirror, name, alias, version)
            self._put(self._mirror / name / ALIASES_FILE, name)
        return aliases

    def reroute(self, name: str, alias: str, change: Change) -> Route:
        self._fetch(name)
        with self._alone(name):
            self._fetch(name, whole=tuple(keep.rerouted(self._mirror, name, alias, change).versions))
            route = keep.reroute(self._mirror, name, alias, change)
            self._put(self._mirror / name / ALIASES_FILE, name)
        return route

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """The aliases as they are now, until they are written."""
        with self._reached("The aliases stay as they were; "), alone(self._files, self._path(name, LOCK_FILE)):
            self._fetch_beside(name)
            yield

    def prune(self, name: str, *, keep: int) -> list[int]:
        from export.keep import prune

        self._fetch(name)
        gone = prune(self._mirror, name, keep=keep)
        with self._reached():
            for version in gone:
                self._files.rm_file(self._path(name, version, MANIFEST_FILE))  # first: from now on it is no version
                self._files.rm(self._path(name, version), recursive=True)
        return gone

    def _claim(self, name: str, version: int) -> bool:
        try:
            self._files.pipe_file(self._path(name, version, CLAIM_FILE), b"claimed\n", mode="create")
        except FileExistsError:
            return False
        return True

    def _upload(self, package: Package) -> None:
        name, version = package.manifest.name, package.manifest.version
        last = (MANIFEST_FILE,)
        others = sorted(file for file in package.path.iterdir() if file.name not in last)
        for file in (*others, *(package.path / name for name in last)):
            self._put(file, name, version)
        self._files.rm_file(self._path(name, version, CLAIM_FILE))

    def _fetch(self, name: str, *, whole: Sequence[int] = ()) -> None:
        """Brings what lies beside the versions, every manifest, and all files of the versions in `whole`."""
        numbers = self._numbers(name) if re.fullmatch(NAME_PATTERN, name) else []
        if not numbers:
            raise VersionMissing(f"{self._url} holds no model {name}; `recognition-export list --to {self._url}`")
        with self._reached():
            self._fetch_beside(name)
            for version in numbers:
                target = self._mirror / name / str(version)
                source = self._path(name, version)
                if not self._files.exists(f"{source}/{MANIFEST_FILE}"):
                    continue  # not whole, or still on its way
                if version in whole:
                    self._files.get(f"{source}/", f"{target}/", recursive=True)
                else:
                    self._get(f"{source}/{MANIFEST_FILE}", target / MANIFEST_FILE)
                (target / CLAIM_FILE).unlink(missing_ok=True)

    def _fetch_beside(self, name: str) -> None:
        for file in BESIDE:
            if self._files.exists(self._path(name, file)):
                self._get(self._path(name, file), self._mirror / name / file)

    def _get(self, source: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(self._files.cat_file(source))

    def _put(self, source: Path, name: str, version: int | None = None) -> None:
        parts = (name, source.name) if version is None else (name, version, source.name)
        self._files.pipe_file(self._path(*parts), source.read_bytes())

    def _check_sizes(self, package: Package) -> None:
        name, version = package.manifest.name, package.manifest.version
        entries = self._files.ls(self._path(name, version), detail=True)
        sizes = {PurePosixPath(entry["name"]).name: entry["size"] for entry in entries}
        for file, record in package.manifest.files.items():
            if sizes.get(file) != record.size_bytes:
                found = f"has {sizes[file]:,} bytes" if file in sizes else "is not there"
                raise PackageRefused(f"{package.where(file)} {found}, the manifest says {record.size_bytes:,} bytes")

    def _numbers(self, name: str) -> list[int]:
        """All that are taken, those without a manifest included, ascending."""
        found = self._directories(self._path(name)) or []
        return sorted(int(entry) for entry in found if entry.isascii() and entry.isdecimal() and entry[0] != "0")

    def _directories(self, path: str) -> list[str] | None:
        self._files.invalidate_cache()
        try:
            entries = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return None
        return sorted(PurePosixPath(entry["name"]).name for entry in entries if entry["type"] == "directory")

    def _path(self, *parts: str | int) -> str:
        return "/".join((self._root, *map(str, parts)))

    @contextmanager
    def _reached(self, outcome: str = "") -> Iterator[None]:
        """The libraries behind fsspec raise errors of all kinds."""
        try:
            yield
        except ExportError:
            raise
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise PublicationFailed(
                f"{self._url} cannot be used: {reason}. {outcome}check the address, its credentials and permissions"
            ) from error


def _proved(_package: Package) -> None:
    """The same files were proved under another number."""
