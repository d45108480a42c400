"""The header blocks of one connection: HPACK (RFC 7541) by the package of that name, and heads that come again known.

The clients of gRPC send the same fields with every call, and after the first few calls the same bytes for them. What
bytes mean depends on what came before them only where they refer to the dynamic table, so a head is known by its bytes
for as long as that table stays as it is.
"""

from dataclasses import dataclass, field

from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from service.http2.frames import ConnectionFault, ErrorCode
from service.http2.head import Head, head_of

MOST_KNOWN = 64
"""Heads of a connection that are remembered."""
MOST_RESIZES = 2
"""Changes of the table's size before a block (RFC 7541, section 4.2)."""
ROOM = 2
"""So many times the largest metadata are read, for an answer that says how large they may be; beyond that the
connection ends, because who skips a block cannot read the next.
"""


FREE_BYTES = 2**11
BYTES_A_NOISE = 64
"""Of a new block beyond that which weigh as much as a frame that carries nothing: to read them takes as long."""


@dataclass(slots=True, kw_only=True)
class Unfinished:
    """A block that has begun."""

    stream: int
    ended: bool
    """Whether the request has no body."""
    since: float
    block: bytearray = field(default_factory=bytearray)
    frames: int = 0


class _Table(HeaderTable):
    """Tells whether it was changed."""

    changes = resizes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return HeaderTable.maxsize.fget(self)  # type: ignore[attr-defined, no-any-return]

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.resizes += 1
        if self.resizes > MOST_RESIZES:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "more changes of the table's size than may be")
        HeaderTable.maxsize.fset(self, newmax)  # type: ignore[attr-defined]


class HeaderBlocks:
    """Gives the head for each block, in the order in which the blocks come."""

    def __init__(self, *, largest: int) -> None:
        """`largest` is how many bytes the fields of a call may count."""
        self._largest = largest
        self.largest_block = ROOM * largest
        self._table = _Table()
        self._decoder = Decoder(max_header_list_size=self.largest_block)
        self._decoder.header_table = self._table
        self._known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """Raises ConnectionFault, after which no block can be read; or Malformed, after which the next can."""
        head = self._known.get(block)
        if head is not None:
            return head
        fields, changed = self._fields(block)
        if changed:
            self._known.clear()
        head = head_of(fields, largest=self._largest)
        if not changed:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[block] = head
        return head

    def noise(self, block: bytes) -> float:
        """What it weighs to read a block of more than FREE_BYTES."""
        return 0.0 if block in self._known else (len(block) - FREE_BYTES) / BYTES_A_NOISE

    def skip(self, block: bytes) -> bool:
        """Of a stream that had a head: it may change the table. Gives whether it may be trailers."""
        if block in self._known:
            return False
        fields, changed = self._fields(block)
        if changed:
            self._known.clear()
        return not any(name.startswith(b":") for name, _ in fields)

    def _fields(self, block: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
        """The fields, and whether the table is another one now."""
        self._table.changes = self._table.resizes = 0
        try:
            fields = [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too large metadata") from error
        except HPACKError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a header block that cannot be read") from error
        return fields, bool(self._table.changes or self._table.resizes)
