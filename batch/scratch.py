"""A folder of the machine for the time of a job. What a job that was killed left of it goes when the next one begins.

Which is which says the operating system's lock on a file in it, which ends with its process however that ends.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "recognition-batch-"
IN_USE = "in-use"
YOUNG_SECONDS = 60.0
"""So old at least is what is removed: in a folder that was made just now the file may not be locked yet."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Empty but for the file that says that it is in use; gone afterwards."""
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, (Path(name) / IN_USE).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield Path(name)


def _sweep(root: Path) -> None:
    """Only what is ours: others may write into the folder too. What cannot be looked at stays."""
    with suppress(OSError):
        for folder in root.glob(f"{PREFIX}*"):
            with suppress(OSError):
                if not folder.is_symlink() and folder.stat().st_uid == os.getuid() and _is_left(folder / IN_USE):
                    shutil.rmtree(folder)


def _is_left(path: Path) -> bool:
    """Raises OSError where there is no such file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if time.time() - os.fstat(descriptor).st_mtime < YOUNG_SECONDS:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
