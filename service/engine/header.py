"""What the first bytes of an image file announce, read without a decoder: its size, and how many scans a JPEG has.

Pillow allocates some canvases when a file is opened, before anybody could ask for their size; so it is read here first.
"""

import struct

MOST_SCANS = 100
"""Of a progressive JPEG; encoders write about ten."""
MOST_WORK = 16
"""Passes over the largest picture allowed that the scans of a JPEG may add up to."""
SCAN = b"\xff\xda"
"""A JPEG's start of scan; inside of one, 0xFF is followed by 0x00 or by a restart marker."""


def announced_size(data: bytes, kind: str) -> tuple[int, int] | None:
    """(width, height); None where the format's own reader must say, or will say that the file is broken."""
    try:
        match kind:
            case "PNG" if data[12:16] == b"IHDR":
                width, height = struct.unpack_from(">II", data, 16)
            case "GIF":
                width, height = struct.unpack_from("<HH", data, 6)
            case "BMP":
                width, height = _size_of_bmp(data)
            case "WEBP":
                return _size_of_webp(data)
            case _:
                return None
    except struct.error:  # cut short
        return None
    return width, height


def too_much_work(data: bytes, pixels: int, max_pixels: int) -> bool:
    """Whether a JPEG has so many scans that decoding it would take far longer than its size lets expect."""
    scans = data.count(SCAN)
    return scans > MOST_SCANS or scans * pixels > MOST_WORK * max_pixels


def _size_of_bmp(data: bytes) -> tuple[int, int]:
    (length,) = struct.unpack_from("<I", data, 14)
    if length == 12:  # OS/2
        width, height = struct.unpack_from("<HH", data, 18)
        return width, height
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # a negative height: written from the top


def _size_of_webp(data: bytes) -> tuple[int, int] | None:
    """Of the canvas, which holds every frame."""
    match data[12:16]:
        case b"VP8X":
            low = struct.unpack_from("<6B", data, 24)
            return 1 + int.from_bytes(bytes(low[:3]), "little"), 1 + int.from_bytes(bytes(low[3:]), "little")
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", data, 21)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None
