"""Reads IDX, the format of MNIST and its descendants, from bytes: a big-endian header, then uint8 values."""

import struct

import numpy as np
from numpy.typing import NDArray

from training.errors import DataDamaged

UNSIGNED_BYTE = 0x08


def parse_idx(content: bytes, *, file: str) -> NDArray[np.uint8]:
    """The array that the file holds, as a read-only view. Raises DataDamaged, naming `file`."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataDamaged(f"{file} is not an IDX file: it does not begin with two zero bytes")
    kind, dimensions = content[2], content[3]
    if kind != UNSIGNED_BYTE:
        raise DataDamaged(f"{file} holds IDX values of type 0x{kind:02x}; expected unsigned bytes (0x08)")
    header = 4 + 4 * dimensions
    if len(content) < header:
        raise DataDamaged(f"{file} ends inside its header: {len(content)} bytes")
    shape: tuple[int, ...] = struct.unpack(f">{dimensions}I", content[4:header])
    values = np.frombuffer(content, dtype=np.uint8, offset=header)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise DataDamaged(f"{file} announces shape {shape} but holds {values.size} values")
    return values.reshape(shape)
