"""Where the output goes: a folder or a prefix in object storage. A file is there whole or not at all.

In a folder it is written aside, synced, renamed, and the folder is synced; in object storage it is one upload, which
becomes visible when it is complete.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeAlias

from batch.errors import OutputFailed
from batch.sources.location import Location

ASIDE = ".aside"
"""Ending of files that are not whole yet; hidden, so that nobody reads them."""


class Step(StrEnum):
    """What is done with a file on its way; between any two of them a machine may lose its power."""

    BEGUN = "begun"
    ASIDE = "aside"
    SYNCED = "synced"
    RENAMED = "renamed"
    KEPT = "kept"


Reached = Callable[[Step, str], None]
"""Told of each step of each file."""


def unwatched(_step: Step, _name: str) -> None:
    """Nobody looks."""


def open_store(url: str, reached: Reached = unwatched) -> "Store":
    """Raises SourceInvalid for a protocol that is not installed, OutputFailed where the folder cannot be made."""
    place = Location.of(url)
    return FolderStore(Path(place.path), reached) if place.is_local else ObjectStore(place, reached)


class FolderStore:
    """A folder of this machine, or one that is mounted."""

    def __init__(self, folder: Path, reached: Reached = unwatched) -> None:
        self.folder = folder
        self.url = str(folder)
        self._reached = reached
        with _explained(self.url):
            folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> set[str]:
        return {entry.name for entry in self.folder.iterdir() if not entry.name.startswith(".")}

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A path where the file can be read."""
        yield self.folder / name

    def write(self, name: str, fill: Callable[[Path], None]) -> None:
        aside = self.folder / f".{name}.{os.getpid()}{ASIDE}"
        try:
            with _explained(f"{self.folder / name}"):
                self._reached(Step.BEGUN, name)
                fill(aside)
                self._reached(Step.ASIDE, name)
                _sync(aside)
                self._reached(Step.SYNCED, name)
                aside.replace(self.folder / name)
                self._reached(Step.RENAMED, name)
                _sync(self.folder)
                self._reached(Step.KEPT, name)
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)

    def remove(self, names: set[str]) -> None:
        with _explained(self.url):
            for name in sorted(names):
                (self.folder / name).unlink(missing_ok=True)
            _sync(self.folder)

    def sweep(self) -> None:
        """Removes what a job that was killed left aside; for whoever has the output to itself."""
        for path in self.folder.glob(f".*{ASIDE}"):
            path.unlink(missing_ok=True)


class ObjectStore:
    """A prefix in object storage."""

    def __init__(self, place: Location, reached: Reached = unwatched) -> None:
        self.fs: Any = place.fs
        self.prefix = place.path.rstrip("/")
        self.url = place.url
        self._reached = reached

    def names(self) -> set[str]:
        self.fs.invalidate_cache()
        try:
            return {path.rpartition("/")[2] for path in self.fs.ls(self.prefix, detail=False)}
        except FileNotFoundError:
            return set()

    def read(self, name: str) -> bytes:
        self.fs.invalidate_cache()
        content: bytes = self.fs.cat_file(f"{self.prefix}/{name}")
        return content

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A copy on this machine for the time being."""
        with NamedTemporaryFile(prefix="recognition-") as copy:
            self.fs.get_file(f"{self.prefix}/{name}", copy.name)
            yield Path(copy.name)

    def write(self, name: str, fill: Callable[[Path], None]) -> None:
        with NamedTemporaryFile(prefix="recognition-") as aside, _explained(f"{self.url}/{name}"):
            self._reached(Step.BEGUN, name)
            fill(Path(aside.name))
            self._reached(Step.ASIDE, name)
            self.fs.put_file(aside.name, f"{self.prefix}/{name}")
            self._reached(Step.KEPT, name)

    def remove(self, names: set[str]) -> None:
        with _explained(self.url):
            for name in sorted(names):
                self.fs.rm_file(f"{self.prefix}/{name}")

    def sweep(self) -> None:
        """Nothing is ever left aside here: an upload that was cut short is not there."""


Store: TypeAlias = FolderStore | ObjectStore
"""Where the output goes."""


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailed(
            f"{what} cannot be written: {error.strerror or error}. Mend that and run the same command again."
        ) from error


def _sync(path: Path) -> None:
    """Onto the disk, the content of a file or the names of a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
