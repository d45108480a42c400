"""Plain PNG files in, pictures out: eight bits, grey or RGB, and nothing in them that could change the pixels.

For a small picture Pillow's reader costs several times what decoding does. A file whose chunks say nothing beside size
and pixels goes straight to the same decoder of Pillow; every other one, and what is broken, is left to the reader.
"""

import struct
import zlib
from collections.abc import Mapping
from types import MappingProxyType

from PIL import Image

HEADER = struct.Struct(">8xI4sII5BI")
"""Behind the signature: length, name, width, height, depth, colour, compression, filter, interlace, checksum."""
HEADER_NAME = slice(12, 29)
"""What its checksum is taken over."""
CHUNK = struct.Struct(">I4s")
AROUND_CHUNK = 12
"""Length, name and checksum."""
MODES: Mapping[tuple[int, ...], str] = MappingProxyType({(8, 0, 0, 0, 0): "L", (8, 2, 0, 0, 0): "RGB"})
SILENT: Mapping[bytes, int] = MappingProxyType(
    {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7, b"bKGD": 2, b"sBIT": 1}
)
"""Chunks that pixels are taken for what they are whatever they say, by the least bytes that they have."""


def plain_png(data: bytes) -> Image.Image | None:
    """None where Pillow's reader must look at the file. Its size must have been looked at before."""
    if len(data) < HEADER.size:
        return None
    length, name, width, height, *kind, checksum = HEADER.unpack_from(data)
    mode = MODES.get(tuple(kind))
    if (length, name) != (13, b"IHDR") or mode is None or not width or not height:
        return None
    if zlib.crc32(data[HEADER_NAME]) != checksum or not (pixels := _compressed_pixels(data)):
        return None
    try:
        return Image.frombytes(mode, (width, height), pixels, "zip", mode, 0)
    except (ValueError, OverflowError):  # broken, or too large: the reader finds the words
        return None


def _compressed_pixels(data: bytes) -> bytes | None:
    """None for a file with a chunk that is not known to be silent, or that does not end as it should."""
    parts: list[bytes] = []
    at, over = HEADER.size, False
    while at + AROUND_CHUNK <= len(data):
        length, name = CHUNK.unpack_from(data, at)
        begin, end = at + CHUNK.size, at + CHUNK.size + length
        if name == b"IEND":
            return b"".join(parts)
        if name == b"IDAT" and not over:
            parts.append(data[begin:end])
        elif length >= SILENT.get(name, len(data)) and _is_whole(data, at, end):
            over = bool(parts)
        else:
            return None
        at = end + 4
    return None


def _is_whole(data: bytes, at: int, end: int) -> bool:
    return zlib.crc32(data[at + 4 : end]).to_bytes(4, "big") == data[end : end + 4]
