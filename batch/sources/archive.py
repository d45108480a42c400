"""Images inside tar and zip archives, which are read where they are and never unpacked.

A tar archive is taken for a WebDataset shard: its images are the members with the ending of an image, and what lies
beside them (labels, captions) is left alone. Of a zip archive every file is an image, as of a folder.
"""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath

from batch.errors import SourceInvalid
from batch.item import Item, Named
from batch.sources.location import Location, item_of

TAR = ".tar"
ZIP = ".zip"
ARCHIVES = (TAR, ZIP)
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst")
IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".jfif", ".png", ".tif", ".tiff", ".webp"}
)


def members(place: Location) -> Iterator[Named]:
    """The id of an image is its name in the archive. Raises SourceInvalid for a damaged archive."""
    try:
        with place.fs.open(place.path, "rb") as file:
            if place.suffix == TAR:
                yield from _of_tar(place, tarfile.TarFile(fileobj=file))
            else:
                yield from _of_zip(place, zipfile.ZipFile(file))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise SourceInvalid(f"{place.url} is no whole {place.suffix.removeprefix('.')} archive: {error}") from error
    except OSError as error:
        raise SourceInvalid(f"{place.url} cannot be read: {error.strerror or error}") from error


def _of_tar(place: Location, archive: tarfile.TarFile) -> Iterator[Named]:
    whole = item_of(place, place.fs.info(place.path))
    with archive:
        for entry in archive:
            archive.members = []  # type: ignore[attr-defined]  # it would keep every header in memory
            name = entry.name.removeprefix("./")
            if entry.isreg() and not _hidden(name) and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
                yield Named(name, whole._replace(member=name, offset=entry.offset_data, size=entry.size))


def _of_zip(place: Location, archive: zipfile.ZipFile) -> Iterator[Named]:
    url = place.url
    with archive:
        for entry in archive.infolist():
            if not entry.is_dir() and not _hidden(entry.filename):
                yield Named(
                    entry.filename,
                    Item(path=url, member=entry.filename, size=entry.file_size, version=f"{entry.CRC:08x}"),
                )


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
