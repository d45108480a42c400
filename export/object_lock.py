"""One at a time where several commands would change the same file of a model in object storage, which has no locks.

Whoever creates an object has the turn, and removes it at the end. One that stays what it is for long belongs to a
command that was killed.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import fsspec

LOCK_FILE = ".lock"
LONGEST_SECONDS = 60.0
"""That a turn takes; the next command that waits has it then."""
STEP_SECONDS = 0.25


@contextmanager
def alone(files: fsspec.AbstractFileSystem, path: str, *, longest_seconds: float = LONGEST_SECONDS) -> Iterator[None]:
    """`path` is the object's. Waits for the turn."""
    mine = uuid.uuid4().hex.encode()
    seen, since = b"", time.monotonic()
    while not _created(files, path, mine):
        found = _content(files, path)
        if found != seen:
            seen, since = found, time.monotonic()
        elif time.monotonic() - since > longest_seconds:
            with suppress(FileNotFoundError):
                files.rm_file(path)
            continue
        time.sleep(STEP_SECONDS)
    try:
        yield
    finally:
        with suppress(Exception):  # what was to be said of the turn itself is more important
            if _content(files, path) == mine:
                files.rm_file(path)


def _created(files: fsspec.AbstractFileSystem, path: str, content: bytes) -> bool:
    try:
        files.pipe_file(path, content, mode="create")
    except FileExistsError:
        return False
    return True


def _content(files: fsspec.AbstractFileSystem, path: str) -> bytes:
    """Nothing where it has gone meanwhile."""
    try:
        return bytes(files.cat_file(path))
    except FileNotFoundError:
        return b""
