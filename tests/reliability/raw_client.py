"""A gRPC call written by hand over a socket, so that it can be sent one byte at a time, or its process be killed.

As a command it forks so many clients, one after another, and kills each with SIGKILL at a random moment of its calls:
`python -m tests.reliability.raw_client PORT CLIENTS`.
"""

import os
import random
import signal
import socket
import struct
import sys
import time

from tests.reliability.numbered import picture_of

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
PATH = "/recognition.v1.RecognitionService/Classify"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def headers(port: int) -> bytes:
    """Literal fields without indexing (RFC 7541, section 6.2.2)."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": PATH,
        ":authority": f"127.0.0.1:{port}",
        "content-type": "application/grpc",
        "te": "trailers",
    }
    return b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )


OPENING = PREFACE + frame(SETTINGS, 0, 0, b"")
"""What HTTP/2 says first."""


def message_of(number: int) -> bytes:
    """A ClassifyRequest whose field `image` is a numbered picture, as gRPC frames it."""
    image = picture_of(number)
    length = bytes([len(image) & 127 | 128, len(image) >> 7]) if len(image) > 127 else bytes([len(image)])
    message = b"\x12" + length + image
    return b"\x00" + struct.pack(">I", len(message)) + message


def call_bytes(port: int, number: int, *, stream: int = 1) -> bytes:
    """Everything that one call sends: headers and a message."""
    head = frame(HEADERS, END_HEADERS, stream, headers(port))
    return head + frame(DATA, END_STREAM, stream, message_of(number))


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(OPENING)
    return connection


def ask_until_killed(port: int) -> None:
    """Calls without reading an answer, until somebody kills the process."""
    connection = connect(port)
    for stream in range(1, 2**31, 2):
        connection.sendall(call_bytes(port, stream, stream=stream))
        time.sleep(0.002)


def main(port: int, clients: int) -> None:
    for _ in range(clients):
        child = os.fork()
        if child == 0:
            try:
                ask_until_killed(port)
            finally:
                os._exit(1)
        time.sleep(random.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
