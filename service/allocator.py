"""What the C library does with memory that is freed: keeps what large requests take anew with every call.

By default it gives such pieces back to the system at once and takes fresh pages for the next one, each of which costs a
fault: for requests of ten megabytes more than to copy them (a third of the event loop's time, and threads that decode
wait for each other's). What is kept is bounded for each of glibc's arenas, of which a process with many threads has
several (MALLOC_ARENA_MAX in the environment says how many at most). Larger pieces, such as the weights of models, still
go back.
"""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Of glibc's mallopt."""
KEPT_BYTES = 128 * 2**20
"""Free memory at the end of an arena's heap that is not given back."""
LARGE_BYTES = 32 * 2**20
"""Pieces from this size on are taken from the system one by one, and given back."""


def keep_freed_memory() -> bool:
    """For the process, before it has threads. False where the C library is another one."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGE_BYTES)) and bool(mallopt(TRIM_THRESHOLD, KEPT_BYTES))
