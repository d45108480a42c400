"""One at a time where several commands would change the same file of a model: what one wrote the next one reads."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from export.errors import PublicationFailed

LOCK_FILE = ".lock"
"""Lies beside the versions, empty, and stays there: to remove it would let two have it at once."""
LONGEST_SECONDS = 60.0
STEP_SECONDS = 0.02


@contextmanager
def alone(home: Path, *, within_seconds: float = LONGEST_SECONDS) -> Iterator[None]:
    """Waits for its turn. Raises PublicationFailed where that does not come.

    The system ends the turn of a process that dies. Where it knows no such locks everybody has their turn at once.
    """
    if os.name != "posix":
        yield
        return
    try:
        descriptor = os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise PublicationFailed(f"cannot write to {home}: {error.strerror}; nothing was changed") from error
    try:
        _wait(descriptor, home, time.monotonic() + within_seconds)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, home: Path, end: float) -> None:
    import fcntl

    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise PublicationFailed(
                    f"another command has been changing {home} for long; nothing was changed, try again later"
                ) from error
            time.sleep(STEP_SECONDS)
        except OSError:  # a file system without locks
            return
        else:
            return
