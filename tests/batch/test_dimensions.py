"""Width and height from the first bytes."""

import io

import pytest
from PIL import Image

from batch.dimensions import dimensions


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_kind_of_file(kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (31, 17)).save(buffer, kind)
    assert dimensions(buffer.getvalue()) == (31, 17)
    assert dimensions(buffer.getvalue()[:2]) is None


@pytest.mark.parametrize("data", [b"", b"nothing", b"\x89PNG\r\n\x1a\n" + bytes(20)])
def test_what_says_nothing(data: bytes) -> None:
    assert dimensions(data) is None


def test_a_picture_larger_than_any_memory_is_only_measured() -> None:
    header = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (10**9).to_bytes(4, "big") + (10**9).to_bytes(4, "big")
    assert dimensions(header) == (10**9, 10**9)
