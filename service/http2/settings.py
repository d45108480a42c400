"""The settings that both ends of a connection tell each other (RFC 9113, section 6.5)."""

import struct
from dataclasses import dataclass

from service.http2.frames import (
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    ENABLE_PUSH,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    SETTINGS,
    WINDOW_UPDATE,
    ConnectionFault,
    ErrorCode,
    frame,
    number,
)
from service.http2.limits import CONNECTION_WINDOW, FRAME, MOST_SETTINGS, STREAM_WINDOW, Limits

ENTRY = struct.Struct(">HL")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """What the client wants; we never push and use no table of fields, so the rest does not matter."""

    initial_window: int = DEFAULT_WINDOW
    largest_frame: int = DEFAULT_FRAME

    def changed(self, payload: bytes) -> "PeerSettings":
        """After another frame of them. Raises ConnectionFault."""
        if len(payload) % ENTRY.size:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a frame of settings with a part of one")
        if len(payload) > MOST_SETTINGS * ENTRY.size:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "too many settings in one frame")
        window, largest = self.initial_window, self.largest_frame
        for name, value in ENTRY.iter_unpack(payload):
            if name == ENABLE_PUSH and value > 1:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
            if name == INITIAL_WINDOW_SIZE:
                window = value
            elif name == MAX_FRAME_SIZE:
                largest = value
        if window > LARGEST_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window larger than there may be")
        if not DEFAULT_FRAME <= largest <= LARGEST_FRAME:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a size of frames that there is not")
        return PeerSettings(initial_window=window, largest_frame=largest)


def greeting(limits: Limits) -> bytes:
    """What the server says first."""
    settings = {
        MAX_CONCURRENT_STREAMS: limits.streams,
        INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        MAX_FRAME_SIZE: FRAME,
        MAX_HEADER_LIST_SIZE: limits.metadata_bytes,
    }
    entries = b"".join(ENTRY.pack(*entry) for entry in settings.items())
    room = number(CONNECTION_WINDOW - DEFAULT_WINDOW)
    return frame(SETTINGS, 0, 0, entries) + frame(WINDOW_UPDATE, 0, 0, room)
