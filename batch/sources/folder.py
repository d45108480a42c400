"""Every file below a folder that is not hidden, in the order of the names, folder by folder."""

import os
from collections.abc import Iterator
from enum import Enum
from operator import itemgetter
from pathlib import Path
from typing import Any

from batch.errors import SourceInvalid
from batch.item import Item, Named
from batch.sources.location import Location, item_of


def walk(place: Location) -> Iterator[Named]:
    """The id of an image is its path below the folder. Raises SourceInvalid where a folder cannot be read."""
    if place.is_local:
        yield from _local(place.path.rstrip("/") or "/", "", ())
    else:
        yield from _remote(place, "")


def _local(folder: str, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Named]:
    """`above` are the folders on the way here, so that a link back to one of them ends nowhere."""
    try:
        state = Path(folder).stat()
        with os.scandir(folder) as entries:
            ordered = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise SourceInvalid(f"{folder} cannot be read: {error.strerror}") from error
    here = (state.st_dev, state.st_ino)
    if here in above:
        return
    for entry in ordered:
        name = prefix + entry.name
        kind = _kind(entry)
        if kind is Kind.FOLDER:
            yield from _local(entry.path, f"{name}/", (*above, here))
        elif kind is Kind.FILE:
            facts = entry.stat()
            yield Named(name, Item(path=entry.path, size=facts.st_size, version=str(facts.st_mtime_ns)))
        elif kind is Kind.DANGLING:
            yield Named(name, Item(path=entry.path))


class Kind(Enum):
    """What a name in a folder stands for."""

    FOLDER = "folder"
    FILE = "file"
    DANGLING = "link to nothing"
    """Somebody meant an image to be there: a row says that it is not."""
    OTHER = "socket, pipe or device"


def _kind(entry: "os.DirEntry[str]") -> Kind:
    try:
        if entry.is_file():
            return Kind.FILE
        if entry.is_dir():
            return Kind.FOLDER
        return Kind.DANGLING if entry.is_symlink() and not Path(entry.path).exists() else Kind.OTHER
    except OSError:  # a link in a circle, or into a folder that is shut
        return Kind.DANGLING


def _remote(place: Location, prefix: str) -> Iterator[Named]:
    try:
        entries: list[dict[str, Any]] = place.fs.ls(place.path, detail=True)
    except OSError as error:
        raise SourceInvalid(f"{place.url} cannot be read: {error}") from error
    for info in sorted(entries, key=itemgetter("name")):
        path = info["name"].rstrip("/")
        name = path.rpartition("/")[2]
        if name.startswith(".") or path == place.path.rstrip("/"):  # some stores list the folder itself
            continue
        found = Location(place.fs, path)
        if info["type"] == "directory":
            yield from _remote(found, f"{prefix}{name}/")
        else:
            yield Named(prefix + name, item_of(found, info))
