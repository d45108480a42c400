"""Bodies that come compressed, by gzip or deflate: inflated as they come, and no further than a body may be."""

import zlib
from collections.abc import Iterator

from service.errors import ArgumentInvalid, EncodingUnsupported, ImageTooLarge

EITHER_FORMAT = 47
"""zlib's window bits that stand for gzip or zlib, whichever comes."""
GZIP_FORMAT = 31
PLAIN = frozenset({"", "identity"})
GZIP = frozenset({"gzip", "x-gzip"})
COMPRESSED = GZIP | {"deflate"}
ACCEPTED = "gzip, deflate"
PIECE_BYTES = 2**16
MOST_MEMBERS = 256
"""Files that were compressed one by one may be sent as one (RFC 1952, 2.2); many tiny ones would only cost time."""


class Inflater:
    """The bytes of one body as they were before its Content-Encoding."""

    def __init__(self, encoding: str, *, max_bytes: int) -> None:
        """`encoding` is what the header says. Raises EncodingUnsupported for one that is not read."""
        name = encoding.strip().lower()
        if name not in PLAIN | COMPRESSED:
            raise EncodingUnsupported(
                f"the Content-Encoding {encoding[:32]!r} is not read; send gzip, deflate or identity"
            )
        self._name = name
        self._max_bytes = max_bytes
        self._inflate = zlib.decompressobj(EITHER_FORMAT) if name in COMPRESSED else None
        self._given = 0
        self._members = 1

    @property
    def compressed(self) -> bool:
        return self._inflate is not None

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What a part of the body holds, in pieces. Raises ArgumentInvalid or ImageTooLarge."""
        if self._inflate is None:
            yield chunk
            return
        rest, more = chunk, bool(chunk)
        while more:
            if self._inflate.eof:
                self._inflate = self._next_member()
            piece = self._next(self._inflate, rest)
            rest = self._inflate.unused_data or self._inflate.unconsumed_tail
            full = len(piece) == PIECE_BYTES and not self._inflate.eof  # it may not be all that is ready
            more = full or bool(rest)
            yield piece

    def finish(self) -> None:
        """The body has ended. Raises ArgumentInvalid where it is not whole."""
        if self._inflate is not None and not self._inflate.eof:
            raise ArgumentInvalid(f"the {self._name} body is cut short", field="body")

    def _next_member(self) -> "zlib._Decompress":
        self._members += 1
        if self._name not in GZIP or self._members > MOST_MEMBERS:
            raise self._goes_on()
        return zlib.decompressobj(GZIP_FORMAT)

    def _next(self, inflate: "zlib._Decompress", rest: bytes) -> bytes:
        try:
            piece = inflate.decompress(rest, PIECE_BYTES)
        except (zlib.error, EOFError) as error:
            if self._members > 1:
                raise self._goes_on() from error
            raise ArgumentInvalid(f"the body is not {self._name}", field="body") from error
        self._given += len(piece)
        if self._given > self._max_bytes:
            raise ImageTooLarge(
                f"The body inflates to more than {self._max_bytes:,} bytes, and no more are accepted.",
                limit_bytes=str(self._max_bytes),
            )
        return piece

    def _goes_on(self) -> ArgumentInvalid:
        return ArgumentInvalid(f"the {self._name} body goes on after its end", field="body")
