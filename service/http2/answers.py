"""The header blocks of answers (gRPC's protocol over HTTP/2): always literal fields that no table keeps (RFC 7541,
section 6.2.2), so that a block is the same bytes on every connection and needs to be made once.
"""

import base64
from collections.abc import Iterable
from functools import cache, lru_cache
from urllib.parse import quote

import grpc

Metadata = Iterable[tuple[str, str | bytes]]
PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
"""What a message may hold as it is; the rest of its UTF-8 is %XX."""
LONGEST_WORDS = 1024
STATUS_200 = b"\x88"
"""An index into the static table (RFC 7541, appendix A)."""


def field(name: bytes, value: bytes) -> bytes:
    """One literal field, never in a table."""
    return b"\x00" + _length(len(name)) + name + _length(len(value)) + value


def _length(value: int) -> bytes:
    """A number in the seven bits of a byte, and as many bytes more as it needs (RFC 7541, section 5.1)."""
    if value < 127:
        return bytes([value])
    rest, digits = value - 127, bytearray([127])
    while rest >= 128:
        digits.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*digits, rest])


BEGINNING = STATUS_200 + field(b"content-type", b"application/grpc") + field(b"grpc-accept-encoding", b"identity")
"""Before the first message, or in front of the ending where there is none."""


@cache
def _status(code: grpc.StatusCode) -> bytes:
    number: int = code.value[0]
    return field(b"grpc-status", str(number).encode())


OK = _status(grpc.StatusCode.OK)


def ending(code: grpc.StatusCode, words: str = "", metadata: Metadata = ()) -> bytes:
    """The trailers: how the call ended."""
    block = _status(code)
    if words:
        block += _message(words[:LONGEST_WORDS])
    for key, value in metadata:
        block += field(key.lower().encode("ascii"), _value(key, value))
    return block


@lru_cache(maxsize=256)
def _message(words: str) -> bytes:
    return field(b"grpc-message", quote(words, safe=PRINTABLE).encode("ascii"))


def _value(key: str, value: str | bytes) -> bytes:
    if key.endswith("-bin"):
        return base64.b64encode(value if isinstance(value, bytes) else value.encode()).rstrip(b"=")
    return value if isinstance(value, bytes) else value.encode("ascii", "replace")


def http_status(number: int) -> bytes:
    """All of an answer to what is no call of gRPC."""
    return field(b":status", str(number).encode())
