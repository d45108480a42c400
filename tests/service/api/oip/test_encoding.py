"""Tensors as bytes and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.oip.encoding import EncodingInvalid, decode_elements, decode_raw, encode_raw
from service.engine.datatypes import Datatype

NUMBERS = [kind for kind in Datatype if kind is not Datatype.BYTES]


@pytest.mark.parametrize("datatype", NUMBERS)
def test_numbers_survive_the_way(datatype: Datatype) -> None:
    """Little-endian, row after row."""
    tensor = np.array([[0, 1, 1], [1, 0, 1]], dtype=datatype.dtype)
    raw = encode_raw(tensor)
    assert len(raw) == 6 * datatype.dtype.itemsize
    assert np.array_equal(decode_raw(datatype, (2, 3), raw), tensor)
    assert encode_raw(tensor.astype(tensor.dtype.newbyteorder(">"))) == raw
    assert encode_raw(np.asfortranarray(tensor)) == raw


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=8))
def test_bytes_survive_the_way(elements: list[bytes]) -> None:
    """Each as its length in four bytes, then itself."""
    raw = b"".join(len(element).to_bytes(4, "little") + element for element in elements)
    tensor = decode_raw(Datatype.BYTES, (len(elements),), raw)
    assert tensor.tolist() == elements
    assert encode_raw(tensor) == raw


@given(st.binary(max_size=40), st.integers(0, 5))
def test_no_bytes_break_the_reader(raw: bytes, count: int) -> None:
    """They are a tensor or refused."""
    try:
        tensor = decode_raw(Datatype.BYTES, (count,), raw)
    except EncodingInvalid:
        return
    assert encode_raw(tensor) == raw


def test_another_size_is_told() -> None:
    """With what was expected."""
    with pytest.raises(EncodingInvalid, match="Expected 12, got 8"):
        decode_raw(Datatype.FP32, (1, 3), b"\0" * 8)
    with pytest.raises(EncodingInvalid, match="Expected 4 bytes in element 0, got 1"):
        decode_raw(Datatype.BYTES, (1,), b"\4\0\0\0a")
    with pytest.raises(EncodingInvalid, match="other bytes after 1"):
        decode_raw(Datatype.BYTES, (1,), b"\1\0\0\0a\1\0\0\0b")
    with pytest.raises(EncodingInvalid, match="Expected 3 elements, got 2"):
        decode_elements(Datatype.FP32, (3,), [1.0, 2.0])


def test_small_integers_are_the_low_bytes_of_typed_elements() -> None:
    """As the protocol carries them in 32 bits."""
    assert decode_elements(Datatype.INT8, (2,), [-1, 255]).tolist() == [-1, -1]
    assert decode_elements(Datatype.UINT16, (1,), [65537]).tolist() == [1]
    assert decode_elements(Datatype.UINT64, (1,), [2**64 - 1]).tolist() == [2**64 - 1]
    assert decode_elements(Datatype.BOOL, (2,), [True, False]).tolist() == [True, False]
    assert decode_elements(Datatype.BYTES, (1,), [b"a"]).tolist() == [b"a"]
    assert decode_elements(Datatype.FP32, (0,), ()).shape == (0,)
