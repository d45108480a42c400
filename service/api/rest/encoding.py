"""Bodies that come compressed, by gzip or deflate: inflated as they come, and no further than a body may be."""

import zlib
from collections.abc import Iterator

from service.errors import ArgumentInvalid, ImageTooLarge, NotOffered

EITHER_FORMAT = 47
"""zlib's window bits that stand for gzip or zlib, whichever comes."""
PLAIN = frozenset({"", "identity"})
COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
PIECE_BYTES = 2**16


class Inflater:
    """The bytes of one body as they were before its Content-Encoding."""

    def __init__(self, encoding: str, *, max_bytes: int) -> None:
        """`encoding` is what the header says. Raises NotOffered for one that is not read."""
        name = encoding.strip().lower()
        if name not in PLAIN | COMPRESSED:
            raise NotOffered(f"the Content-Encoding {encoding[:32]!r} is not read; send gzip, deflate or identity")
        self._name = name
        self._max_bytes = max_bytes
        self._inflate = zlib.decompressobj(EITHER_FORMAT) if name in COMPRESSED else None
        self._given = 0

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
            piece = self._next(self._inflate, rest)
            rest = self._inflate.unconsumed_tail
            more = len(piece) == PIECE_BYTES or bool(rest)  # a full piece may not be all that is ready
            yield piece

    def finish(self) -> None:
        """The body has ended. Raises ArgumentInvalid where it is not whole."""
        if self._inflate is not None and not self._inflate.eof:
            raise ArgumentInvalid(f"the {self._name} body is cut short", field="body")

    def _next(self, inflate: "zlib._Decompress", rest: bytes) -> bytes:
        try:
            piece = inflate.decompress(rest, PIECE_BYTES)
        except (zlib.error, EOFError) as error:
            raise ArgumentInvalid(f"the body is not {self._name}", field="body") from error
        if inflate.unused_data:
            raise ArgumentInvalid(f"the {self._name} body goes on after its end", field="body")
        self._given += len(piece)
        if self._given > self._max_bytes:
            raise ImageTooLarge(
                f"The body inflates to more than {self._max_bytes:,} bytes, and no more are accepted.",
                limit_bytes=str(self._max_bytes),
            )
        return piece
