"""Where a package lies until it is published: a directory beside the versions, which readers pass over.

It is gone at the end, unless it was renamed or the export was killed. What a killed one left is removed by the next: it
is told by its age and by its lock, which ends with the process that held it; where the file system locks nothing, it
stays.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

PREFIXES = (".publishing-", ".removing-")
"""The second: what is being pruned (keep.py)."""
STALE_SECONDS = 3600.0
"""Since a file in it was last written: longer than a proof takes, and than clocks of machines that share it differ."""


@contextlib.contextmanager
def staging(home: Path) -> Iterator[Path]:
    """A new directory, locked as long as it is needed."""
    directory = home / f"{PREFIXES[0]}{uuid.uuid4().hex}"
    directory.mkdir()
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a file system without locks
                stack.enter_context(_locked(directory))
            yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def remove_stale(home: Path) -> None:
    """Removes what killed exports left; whatever cannot be removed stays."""
    for prefix in PREFIXES:
        for directory in home.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):
                if time.time() - _last_written(directory) > STALE_SECONDS:
                    with _locked(directory):  # raises BlockingIOError where its process lives
                        shutil.rmtree(directory, ignore_errors=True)


def _last_written(directory: Path) -> float:
    return max(path.stat().st_mtime for path in (directory, *directory.iterdir()))


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Raises OSError where another process has it; holds nothing where the system has no such locks."""
    if os.name != "posix":
        yield
        return
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
