"""Tensors as bytes: little-endian, row after row, no gaps; an element of BYTES is its length in 4 bytes, then it."""

import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from service.engine.datatypes import AnyTensor, Datatype

LENGTH = struct.Struct("<I")
LITTLE = sys.byteorder == "little"


class EncodingInvalid(Exception):
    """The bytes or elements are not those of a tensor of this type and shape; the text says why."""


def decode_raw(datatype: Datatype, shape: tuple[int, ...], raw: bytes | memoryview) -> AnyTensor:
    """Raises EncodingInvalid. Tensors of numbers are views of `raw`."""
    count = math.prod(shape)
    if datatype is Datatype.BYTES:
        return _from_list(_elements(bytes(raw), count), shape)
    expected = count * datatype.dtype.itemsize
    if len(raw) != expected:
        raise EncodingInvalid(f"Expected {expected}, got {len(raw)}")
    return np.frombuffer(raw, dtype=datatype.dtype).reshape(shape)


def decode_elements(datatype: Datatype, shape: tuple[int, ...], elements: Sequence[Any]) -> AnyTensor:
    """From numbers, truth values or bytes, row after row; whole numbers keep their low bytes.

    Raises EncodingInvalid.
    """
    count = math.prod(shape)
    if len(elements) != count:
        raise EncodingInvalid(f"Expected {count} elements, got {len(elements)}")
    if datatype is Datatype.BYTES:
        return _from_list(list(elements), shape)
    try:
        numbers = np.array(elements, dtype=datatype.dtype if datatype.dtype.kind not in "iu" else None)
        return numbers.astype(datatype.dtype).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise EncodingInvalid(f"Expected elements of type {datatype}") from error


def encode_raw(tensor: AnyTensor) -> bytes:
    """What `decode_raw` reads."""
    if tensor.dtype.kind != "O":
        if LITTLE and tensor.dtype.isnative:
            return tensor.tobytes()
        return tensor.astype(tensor.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(part for element in tensor.flat for part in (LENGTH.pack(len(element)), element))


def _elements(raw: bytes, count: int) -> list[bytes]:
    if len(raw) < count * LENGTH.size:
        raise EncodingInvalid(f"Expected {count} elements with their lengths, got {len(raw)} bytes")
    elements: list[bytes] = []
    at = 0
    while at < len(raw):
        begin = at + LENGTH.size
        if begin > len(raw) or len(elements) == count:
            raise EncodingInvalid(
                f"Expected {count} elements with their lengths, got other bytes after {len(elements)}"
            )
        at = begin + LENGTH.unpack_from(raw, at)[0]
        if at > len(raw):
            raise EncodingInvalid(f"Expected {at - begin} bytes in element {len(elements)}, got {len(raw) - begin}")
        elements.append(raw[begin:at])
    if len(elements) != count:
        raise EncodingInvalid(f"Expected {count} elements, got {len(elements)}")
    return elements


def _from_list(elements: list[bytes], shape: tuple[int, ...]) -> AnyTensor:
    tensor = np.empty(len(elements), dtype=object)
    tensor[:] = elements
    return tensor.reshape(shape)
