"""Items in, their bytes out: files, objects, members of archives. Nothing larger than the limit is ever read.

What lies in a folder that was listed must still be there and have the size that it had; what a manifest names may be
missing, and its row says so.
"""

import errno
import os
import stat
import zipfile
import zlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from batch.errors import SourceChanged
from batch.fault import FILE_UNREADABLE, Fault, too_large
from batch.item import Item
from batch.sources.location import Location

OF_THE_FILE = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENXIO, errno.ENODEV),
        *(errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG),
    }
)
"""What is wrong with one file. Any other error of the system stops the job, which goes on when that is mended."""
OPEN_ARCHIVES = 8
LARGEST_GAP = 2**16
"""Bytes between two members of a tar archive that are read along rather than asked for apart."""
LONGEST_READ = 32 * 2**20
"""Most bytes of a tar archive that are read at once."""


class Reader:
    """Used by one thread; keeps a few archives open."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._place = lru_cache(OPEN_ARCHIVES)(Location.of)
        self._zip = lru_cache(OPEN_ARCHIVES)(self._open_zip)

    def read(self, items: Sequence[Item]) -> list[bytes | Fault]:
        """The bytes of each, or why there are none. Raises SourceChanged, or OSError where the storage is away."""
        contents: list[bytes | Fault] = []
        for kind, group in groupby(items, self._kind):
            run = list(group)
            match kind:
                case "tar":
                    contents += self._members_of_tar(run)
                case "zip":
                    contents += map(self._member_of_zip, run)
                case "file":
                    contents += map(self._file, run)
                case _:
                    contents += self._objects(run)
        return contents

    @staticmethod
    def _kind(item: Item) -> str:
        if item.member is not None:
            return "zip" if item.offset is None else "tar"
        protocol, remote, _ = item.path.partition("://")
        return protocol if remote else "file"

    def _file(self, item: Item) -> bytes | Fault:
        """Plain system calls: for small pictures they are a tenth of what `open` costs."""
        if item.size is not None and item.size > self._max_bytes:
            return too_large(item.size, self._max_bytes)
        try:
            content = self._content(item)
        except OSError as error:
            if error.errno not in OF_THE_FILE:
                raise
            return self._missing(item, error)
        except ValueError as error:  # a name that no file can have
            return Fault(FILE_UNREADABLE, f"The file cannot be read: {error}")
        return content if isinstance(content, Fault) else self._whole(item, content)

    def _content(self, item: Item) -> bytes | Fault:
        descriptor = os.open(item.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe would wait for its writer
        try:
            size = item.size
            if size is None:
                facts = os.fstat(descriptor)
                size = facts.st_size
                if not stat.S_ISREG(facts.st_mode):
                    return Fault(FILE_UNREADABLE, "The file cannot be read: it is a folder, a pipe or a device")
                if size > self._max_bytes:
                    return too_large(size, self._max_bytes)
            content = os.read(descriptor, size + 1)
            while 0 < len(content) < size and (more := os.read(descriptor, size + 1 - len(content))):
                content += more  # some network file systems give it in pieces
            return content
        finally:
            os.close(descriptor)

    def _objects(self, items: list[Item]) -> list[bytes | Fault]:
        fs = self._place(items[0].path).fs
        small = [item for item in items if item.size is None or 0 < item.size <= self._max_bytes]
        paths = [self._place(item.path).path for item in small]
        known = all(item.size is not None for item in small)
        if known:
            found = fs.cat(paths, on_error="return") if paths else {}
            answers = iter([found[path] for path in paths])
        else:
            answers = iter(fs.cat_ranges(paths, [0] * len(paths), [self._max_bytes + 1] * len(paths)))
        wanted = set(small)
        return [self._object(item, next(answers)) if item in wanted else self._unread(item) for item in items]

    def _object(self, item: Item, answer: bytes | Exception) -> bytes | Fault:
        if isinstance(answer, FileNotFoundError):
            return self._missing(item, answer)
        if isinstance(answer, Exception):
            raise answer
        if len(answer) > self._max_bytes:
            return too_large(len(answer), self._max_bytes)
        return self._whole(item, answer)

    def _unread(self, item: Item) -> bytes | Fault:
        return too_large(item.size, self._max_bytes) if item.size else b""

    def _members_of_tar(self, items: list[Item]) -> list[bytes | Fault]:
        contents: dict[int, bytes] = {}
        for stretch in _stretches([item for item in items if (item.size or 0) <= self._max_bytes]):
            begin, end = _span(stretch[0])[0], _span(stretch[-1])[1]
            place = self._place(stretch[0].path)
            data: bytes = place.fs.cat_file(place.path, start=begin, end=end)
            for item in stretch:
                first, last = _span(item)
                contents[id(item)] = data[first - begin : last - begin]
        return [self._whole(item, contents[id(item)]) if id(item) in contents else self._unread(item) for item in items]

    def _member_of_zip(self, item: Item) -> bytes | Fault:
        if item.size is not None and item.size > self._max_bytes:
            return too_large(item.size, self._max_bytes)
        try:
            return self._zip(item.path).read(str(item.member))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:  # damaged, odd, locked
            return Fault(FILE_UNREADABLE, f"The member of the archive cannot be read: {error}")

    def _open_zip(self, path: str) -> zipfile.ZipFile:
        place = self._place(path)
        file: Any = place.fs.open(place.path, "rb")
        return zipfile.ZipFile(file)

    @staticmethod
    def _missing(item: Item, error: OSError) -> Fault:
        """What may be read by nobody is a row; what was listed and is gone makes the listing wrong."""
        cause = error.strerror or "No such object"
        if item.version is not None and isinstance(error, FileNotFoundError | NotADirectoryError):
            raise SourceChanged(f"{item.where} was there when the source was listed ({cause}); begin anew, --restart")
        return Fault(FILE_UNREADABLE, f"The file cannot be read: {cause}")

    @staticmethod
    def _whole(item: Item, content: bytes) -> bytes:
        if item.size is not None and len(content) != item.size:
            raise SourceChanged(f"{item.where} has another size than when the source was listed; begin anew, --restart")
        return content


def _span(item: Item) -> tuple[int, int]:
    begin = item.offset or 0
    return begin, begin + (item.size or 0)


def _stretches(items: list[Item]) -> list[list[Item]]:
    """Neighbours in one tar archive that are read at once."""
    stretches: list[list[Item]] = []
    for item in items:
        if stretches:
            last, first = stretches[-1][-1], stretches[-1][0]
            gap = _span(item)[0] - _span(last)[1]
            together = _span(item)[1] - _span(first)[0]
            if item.path == last.path and 0 <= gap <= LARGEST_GAP and together <= LONGEST_READ:
                stretches[-1].append(item)
                continue
        stretches.append([item])
    return stretches
