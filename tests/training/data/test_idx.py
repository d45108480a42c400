"""IDX files are read exactly or refused by name."""

import struct

import numpy as np
import pytest

from training.data.idx import parse_idx
from training.errors import DataDamaged


def test_an_array_is_read_with_its_shape() -> None:
    """Header and values in the order of the format's description."""
    content = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2, 3) + bytes(range(6))
    assert np.array_equal(parse_idx(content, file="x"), np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file"),
        (b"GIF8", "not an IDX file"),
        (bytes([0, 0, 0x0D, 1]) + struct.pack(">I", 0), "type 0x0d"),
        (bytes([0, 0, 8, 3, 0, 0]), "ends inside its header"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 5) + b"1234", r"shape \(5,\) but holds 4"),
        (bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + b"1234", r"shape \(3,\) but holds 4"),
    ],
)
def test_a_broken_file_is_refused_by_name(content: bytes, words: str) -> None:
    """The error says which file, and what is wrong with it."""
    with pytest.raises(DataDamaged, match=f"labels.idx .*{words}"):
        parse_idx(content, file="labels.idx")
