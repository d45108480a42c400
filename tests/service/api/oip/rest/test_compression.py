"""gzip and deflate over HTTP."""

import gzip
import zlib

import pytest

from service.api.oip.rest.compression import deflated, inflated
from service.errors import ArgumentInvalid, ImageTooLarge, NotOffered

BODY = b"a body of some length " * 100


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(BODY, ""), (BODY, "identity"), (gzip.compress(BODY), "gzip"), (zlib.compress(BODY), "deflate")],
)
def test_bodies_are_read_as_they_were(body: bytes, encoding: str) -> None:
    """Up to the last byte that is allowed."""
    assert inflated(body, encoding, max_bytes=len(BODY)) == BODY


def test_a_bomb_is_refused() -> None:
    """A little body that would be a large one."""
    bomb = gzip.compress(b"\0" * 10_000_000)
    with pytest.raises(ImageTooLarge, match="inflates to more than 1,000 bytes"):
        inflated(bomb, "gzip", max_bytes=1000)


def test_broken_and_unknown_encodings_are_refused() -> None:
    """Cut short, not compressed at all, or in another way."""
    for body in (gzip.compress(BODY)[:-9], BODY, b""):
        with pytest.raises(ArgumentInvalid, match="gzip"):
            inflated(body, "gzip", max_bytes=10_000)
    with pytest.raises(NotOffered, match="'br'"):
        inflated(BODY, "br", max_bytes=10_000)


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
    assert inflated(body, encoding or "", max_bytes=len(BODY)) == BODY


async def test_small_answers_are_left_as_they_are() -> None:
    """They would not gain."""
    assert await deflated(b"small", "gzip") == (b"small", {})
