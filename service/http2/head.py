"""The head of a call: what the header fields of its request say (RFC 9113, section 8; gRPC's protocol over HTTP/2)."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc

Fields = Sequence[tuple[bytes, bytes]]
Value = str | bytes
FIELD_OVERHEAD = 32
"""What a field counts for besides its bytes (RFC 9113, section 6.5.2)."""
TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
NEEDED = frozenset({b":method", b":scheme", b":path"})
ALLOWED = NEEDED | {b":authority"}
OF_HTTP1 = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""HTTP/2 has none of these."""
OF_TRANSPORT = frozenset({b"te", b"content-type", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"})
"""No handler sees them."""
NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
UNWANTED = re.compile(rb"[\x00\r\n]")
"""In a value (RFC 9113, section 8.2.1); spaces around it are taken, as gRPC's own servers do."""
MEDIA_TYPE = b"application/grpc"


class Malformed(Exception):
    """It is no request; its stream is reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How a call ends before anything of it is looked at: with an HTTP status, or with 200 and one of gRPC."""

    http_status: int = 200
    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """`metadata` is what handlers see; values of keys that end in -bin are bytes."""

    path: str = ""
    timeout_seconds: float | None = None
    metadata: tuple[tuple[str, Value], ...] = ()
    refusal: Refusal | None = None


def head_of(fields: Fields, *, largest: int) -> Head:
    """`largest` is how many bytes all fields together may count. Raises Malformed."""
    pseudo, others = _parted(fields)
    given = dict(others)
    size = sum(len(name) + len(value) + FIELD_OVERHEAD for name, value in fields)
    if size > largest:
        words = f"the metadata of the call have {size} bytes; {largest} are the most"
        return Head(refusal=Refusal(code=grpc.StatusCode.RESOURCE_EXHAUSTED, words=words))
    refusal = _refusal(pseudo, given)
    if refusal is not None:
        return Head(refusal=refusal)
    try:
        return Head(
            path=pseudo[b":path"].decode("ascii"),
            timeout_seconds=_seconds(given.get(b"grpc-timeout")),
            metadata=tuple(
                entry for name, value in others if name not in OF_TRANSPORT for entry in _entries(name, value)
            ),
        )
    except (ValueError, UnicodeDecodeError, binascii.Error) as error:
        raise Malformed from error


def _parted(fields: Fields) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """The pseudo-header fields, which come first and once, and the others."""
    pseudo: dict[bytes, bytes] = {}
    others: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if UNWANTED.search(value):
            raise Malformed
        if name.startswith(b":"):
            if others or name in pseudo or name not in ALLOWED:
                raise Malformed
            pseudo[name] = value
        else:
            if not NAME.fullmatch(name) or name in OF_HTTP1:
                raise Malformed
            others.append((name, value))
    if not pseudo.keys() >= NEEDED or not pseudo[b":path"].startswith(b"/"):
        raise Malformed
    return pseudo, others


def _refusal(pseudo: Mapping[bytes, bytes], given: Mapping[bytes, bytes]) -> Refusal | None:
    """As gRPC's protocol says it of requests that are no calls, and of messages in an encoding that is not read."""
    if given.get(b"te", b"trailers") != b"trailers":
        raise Malformed
    if pseudo[b":method"] != b"POST":
        return Refusal(http_status=405)
    media_type = given.get(b"content-type", b"")
    if not media_type.startswith(MEDIA_TYPE) or media_type[len(MEDIA_TYPE) :][:1] not in {b"", b"+", b";"}:
        return Refusal(http_status=415)
    if given.get(b"grpc-encoding", b"identity") != b"identity":
        words = "Compressed messages are not read; send them as they are (grpc-encoding: identity)."
        return Refusal(code=grpc.StatusCode.UNIMPLEMENTED, words=words)
    return None


def _seconds(timeout: bytes | None) -> float | None:
    if timeout is None:
        return None
    found = TIMEOUT.fullmatch(timeout)
    if found is None:
        raise ValueError(timeout)
    return int(found[1]) * UNITS[found[2]]


def _entries(name: bytes, value: bytes) -> Iterator[tuple[str, Value]]:
    """Several values that are bytes may share one field."""
    key = name.decode("ascii")
    if not key.endswith("-bin"):
        yield key, value.decode("latin-1")
        return
    for part in value.split(b","):
        yield key, base64.b64decode(part + b"=" * (-len(part) % 4), validate=True)
