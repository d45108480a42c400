"""Answers by gzip and deflate."""

import gzip
import zlib
from collections.abc import Callable

import pytest

from service.api.oip.rest.compression import deflated

BODY = b"a body of some length " * 100
READ: dict[str | None, Callable[[bytes], bytes]] = {None: bytes, "gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate", "gzip"),
        ("deflate", "deflate"),
        ("br, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("gzip;q=0", None),
        ("", None),
    ],
)
async def test_answers_are_compressed_where_that_is_accepted(accepted: str, encoding: str | None) -> None:
    """And said to be."""
    body, headers = await deflated(BODY, accepted)
    assert headers.get("Content-Encoding") == encoding
    assert READ[encoding](body) == BODY


async def test_small_answers_are_left_as_they_are() -> None:
    """They would not gain."""
    assert await deflated(b"small", "gzip") == (b"small", {})
