"""Where packages go: a directory, or object storage by its URL. What can be done there is the same for both.

`--to` takes a directory, `file:///models`, `s3://bucket/models`, `gs://bucket/models` and whatever else fsspec knows.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from export import keep, publish
from export.draft import Draft
from export.errors import DestinationUnknown
from export.keep import VersionSummary
from export.publish import Prove, Sign
from export.rollout import Change
from service.models.repository import Package
from service.models.routes import Route


class Destination(Protocol):
    """A model repository that can be written."""

    def place(self, name: str, version: int) -> str:
        """How people are told where a version lies."""

    def publish(self, draft: Draft, *, prove: Prove, sign: Sign | None = None) -> Package:
        """As the version after the highest. Raises PublicationFailed; then nothing is published."""

    def newest(self, name: str) -> Package | None:
        """The package with the highest number; None where there is none that could be served."""

    def number(self, name: str, which: str) -> int:
        """Of the version that a number or an alias names. Raises VersionMissing."""

    def open(self, name: str, version: int) -> Package:
        """Every file of it checked. Raises VersionMissing or PublicationFailed."""

    def summaries(self) -> list[VersionSummary]:
        """Every version of every model. Raises VersionMissing where there is no repository."""

    def sign(self, name: str, version: int, sign: Sign) -> Package:
        """Signs a version that is published already."""

    def set_alias(self, name: str, alias: str, version: int) -> dict[str, int]:
        """Lets an alias name a version; gives all aliases of the model."""

    def reroute(self, name: str, alias: str, change: Change) -> Route:
        """Changes where an alias leads, canary and shadow included."""

    def prune(self, name: str, *, keep: int) -> list[int]:
        """Removes old versions; gives the numbers that are gone."""


class DirectoryDestination:
    """A directory of this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, name: str, version: int) -> str:
        return str(self._root / name / str(version))

    def publish(self, draft: Draft, *, prove: Prove, sign: Sign | None = None) -> Package:
        return publish.publish(draft, self._root, prove=prove, sign=sign)

    def newest(self, name: str) -> Package | None:
        return publish.newest(self._root, name)

    def number(self, name: str, which: str) -> int:
        return keep.number_of(self._root, name, which)

    def open(self, name: str, version: int) -> Package:
        return keep.open_version(self._root, name, version)

    def summaries(self) -> list[VersionSummary]:
        return keep.summaries(self._root)

    def sign(self, name: str, version: int, sign: Sign) -> Package:
        return keep.sign_version(self._root, name, version, sign)

    def set_alias(self, name: str, alias: str, version: int) -> dict[str, int]:
        return keep.set_alias(self._root, name, alias, version)

    def reroute(self, name: str, alias: str, change: Change) -> Route:
        return keep.reroute(self._root, name, alias, change)

    def prune(self, name: str, *, keep: int) -> list[int]:
        from export.keep import prune

        return prune(self._root, name, keep=keep)


@contextmanager
def destination(to: str) -> Iterator[Destination]:
    """What `--to` names. Raises DestinationUnknown for a URL that cannot be followed."""
    if not to.strip():
        raise DestinationUnknown("--to is empty; name the directory or the URL of the model repository")
    if "://" not in to:
        yield DirectoryDestination(Path(to))
        return
    from fsspec.implementations.local import LocalFileSystem

    from export.object_store import ObjectDestination, open_store

    files, root = open_store(to)
    if isinstance(files, LocalFileSystem):
        yield DirectoryDestination(Path(root))
        return
    with tempfile.TemporaryDirectory(prefix="recognition-export-") as scratch:
        yield ObjectDestination(files, root, url=to.rstrip("/"), scratch=Path(scratch))
