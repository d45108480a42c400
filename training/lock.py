"""Keeps a second training away from a run: both would write the same files, each its own half of them.

It is the operating system's lock on the run's directory, which leaves no file and ends with the process however that
ends. Of several processes that train together only the first writes, and it alone takes the lock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import RunConflict


@contextmanager
def held(directory: Path, *, wanted: bool) -> Iterator[None]:
    """Raises RunConflict at once where another one trains. A directory that is not used in the end is not left over."""
    if not wanted or directory.is_file():  # which is refused later, in the words for that
        yield
        return
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        _lock(descriptor, directory)
        yield
    finally:
        if is_new:
            with suppress(OSError):  # it holds a run
                directory.rmdir()
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunConflict(
            f"another process is training in {directory}; wait until it ends, or choose another --output"
        ) from None
    except OSError:  # some network file systems lock no directories: there it is as if nobody else came
        return
