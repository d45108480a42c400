"""A place in a file system or in object storage: `/data/images`, `s3://bucket/images`, `gs://bucket/a.tar`."""

import errno
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Self

import fsspec

from batch.errors import SourceInvalid
from batch.item import Item, Named

TAGS = ("ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "updated", "created")
"""What storages call the thing that changes with the content; the first one that is there counts."""


LIBRARIES = frozenset({"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "s3fs"})
"""Of object storage; beside OSError they raise kinds of their own."""


def storage_error(error: BaseException) -> OSError | None:
    """What a storage's library raised, as an error of the system; None for anything else."""
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] not in LIBRARIES:
        return None
    return OSError(errno.EIO, f"{error}. Look after credentials, address and network; then run the same command again")


@dataclass(frozen=True, slots=True)
class Location:
    """A path on one fsspec file system."""

    fs: Any
    path: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises SourceInvalid for a protocol that is not installed."""
        try:
            fs, path = fsspec.core.url_to_fs(text)
        except (ValueError, ImportError) as error:
            raise SourceInvalid(f"{text}: {error}. For s3:// install recognition[s3], for gs:// [gcs].") from error
        return cls(fs, path)

    @property
    def is_local(self) -> bool:
        return "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,))

    @property
    def url(self) -> str:
        """What `of` takes."""
        return self.path if self.is_local else str(self.fs.unstrip_protocol(self.path))

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.path).suffix.lower()

    def beside(self, name: str) -> str:
        """The URL of a file in the same folder; a name that is itself a URL or an absolute path stands for itself.

        Raises SourceInvalid for a protocol that is not installed.
        """
        if "://" in name:
            return Location.of(name).url
        path = name if name.startswith("/") else f"{self.path.rpartition('/')[0]}/{name}"
        return path if self.is_local else Location(self.fs, path).url

    def exists(self) -> bool:
        return bool(self.fs.exists(self.path))

    def is_folder(self) -> bool:
        return bool(self.fs.isdir(self.path))

    def as_named(self) -> Named:
        """The file as an image that is named after itself."""
        return Named(self.name, item_of(self, self.fs.info(self.path)))


def item_of(place: Location, info: dict[str, Any]) -> Item:
    """What a listing says of a file."""
    tag = next((info[name] for name in TAGS if info.get(name) is not None), None)
    return Item(path=place.url, size=info.get("size"), version=None if tag is None else str(tag))
