"""Frames of HTTP/2 (RFC 9113, sections 3.4, 4 and 6): the bytes of a connection in, frames out, and frames to bytes."""

import struct
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client says first."""
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITISED = 0x4, 0x8, 0x20
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)
DEFAULT_WINDOW, LARGEST_WINDOW = 2**16 - 1, 2**31 - 1
DEFAULT_FRAME, LARGEST_FRAME = 2**14, 2**24 - 1
LARGEST_NUMBER = 2**31 - 1
"""Of a stream."""
HEADER = struct.Struct(">HBBBL")
"""Length in two parts, kind, flags, stream."""

Frame = tuple[int, int, int, bytes]
"""Kind, flags, stream, payload: a tuple, because every call takes several."""


class ErrorCode(IntEnum):
    """RFC 9113, section 7."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB


class ConnectionFault(Exception):
    """The client broke the protocol or a limit; the connection ends with this code, and the words for its developer."""

    def __init__(self, code: ErrorCode, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


SIZES = {PRIORITY: 5, RST_STREAM: 4, PING: 8, WINDOW_UPDATE: 4}
"""Of frames that have one."""
OF_STREAMS = frozenset({DATA, HEADERS, PRIORITY, RST_STREAM, CONTINUATION})
OF_CONNECTION = frozenset({SETTINGS, PING, GOAWAY})


def check_place(kind: int, stream: int, size: int) -> None:
    """Whether a frame of this kind may be so large, and on this stream. Raises ConnectionFault."""
    if size != SIZES.get(kind, size):
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of a size that its kind does not have")
    if (kind in OF_STREAMS and not stream) or (kind in OF_CONNECTION and stream):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a frame on a stream where its kind does not belong")


class FrameReader:
    """Cuts what comes in into frames; what is not whole yet waits for the rest."""

    def __init__(self, *, largest: int) -> None:
        self._largest = largest
        self._held = bytearray()
        self._needed = len(PREFACE)
        self.greeted = False
        """Whether the client has said that it speaks HTTP/2."""

    @property
    def waits(self) -> bool:
        """Whether the beginning of a frame is here and its end is not."""
        return bool(self._held)

    def read(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises ConnectionFault."""
        if self._held:
            self._held += data
            if self.greeted and len(self._held) < self._needed:
                return []
            data = bytes(self._held)
            self._held.clear()
        at = 0 if self.greeted else self._greet(data)
        frames: list[Frame] = []
        if not self.greeted:
            self._held += data
            return frames
        size, unpack, largest = len(data), HEADER.unpack_from, self._largest
        while size - at >= 9:
            high, low, kind, flags, stream = unpack(data, at)
            length = high << 8 | low
            if length > largest:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes; {largest} are the most")
            begin = at + 9
            end = begin + length
            if end > size:
                self._needed = end - at
                break
            frames.append((kind, flags, stream & LARGEST_NUMBER, data[begin:end]))
            at = end
        else:
            self._needed = 9
        if at < size:
            self._held += data[at:] if at else data
        return frames

    def _greet(self, data: bytes) -> int:
        """Where the first frame begins, once the preface is here."""
        if data[: len(PREFACE)] != PREFACE[: len(data)]:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this is not HTTP/2")
        self.greeted = len(data) >= len(PREFACE)
        return len(PREFACE)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """The bytes of one frame."""
    length = len(payload)
    return HEADER.pack(length >> 8, length & 0xFF, kind, flags, stream) + payload


def number(value: int) -> bytes:
    """As WINDOW_UPDATE, RST_STREAM and GOAWAY have it: four bytes."""
    return value.to_bytes(4, "big")


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without its padding. Raises ConnectionFault."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than the frame has bytes")
    return payload[1 : len(payload) - payload[0]]
