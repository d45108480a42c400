"""What the system has of a connection's bytes and the other end has not acknowledged yet."""

import asyncio
import sys
from contextlib import suppress


def unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes; 0 where the system does not tell."""
    found = transport.get_extra_info("socket")
    if found is None or sys.platform != "linux":
        return 0
    import fcntl
    import termios

    with suppress(OSError, ValueError):  # it may be closed already, which TLS tells of a moment later
        return int.from_bytes(fcntl.ioctl(found.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    return 0
