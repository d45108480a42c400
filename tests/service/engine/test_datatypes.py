"""The types of tensor elements."""

import numpy as np
import pytest

from service.engine.datatypes import Datatype

SIZES = {"BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8}
SIZES |= {"FP16": 2, "FP32": 4, "FP64": 8, "BF16": 2}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_sizes_are_those_of_the_protocol(name: str, size: int) -> None:
    """Bytes of one element on the wire."""
    assert Datatype(name).dtype.itemsize == size
    assert Datatype(name).dtype.newbyteorder("<") == Datatype(name).dtype


def test_which_types_can_be_counted_with() -> None:
    """BF16 is held as bits and BYTES as objects: neither is a number to NumPy."""
    assert [kind for kind in Datatype if kind.is_float] == [Datatype.FP16, Datatype.FP32, Datatype.FP64]
    assert not Datatype.BF16.is_integer
    assert not Datatype.BOOL.is_integer
    assert Datatype.UINT8.is_integer
    assert Datatype.BYTES.dtype == np.dtype(object)
