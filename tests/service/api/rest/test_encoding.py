"""Bodies that come compressed."""

import gzip
import zlib

import pytest

from service.api.rest.encoding import MOST_MEMBERS, PIECE_BYTES, Inflater
from service.errors import ArgumentInvalid, EncodingUnsupported, ImageTooLarge

BODY = bytes(range(256)) * 1000
COMPRESSED = gzip.compress(BODY)


def read(body: bytes, encoding: str, *, size: int = 2**16, max_bytes: int = len(BODY)) -> bytes:
    inflater = Inflater(encoding, max_bytes=max_bytes)
    pieces = [piece for at in range(0, len(body), size) for piece in inflater.feed(body[at : at + size])]
    inflater.finish()
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        *((BODY, ""), (BODY, "identity"), (COMPRESSED, "gzip"), (COMPRESSED, " X-GZip ")),
        (gzip.compress(BODY[:PIECE_BYTES]) + gzip.compress(b"") + gzip.compress(BODY[PIECE_BYTES:]), "gzip"),
        (zlib.compress(BODY), "deflate"),
    ],
)
@pytest.mark.parametrize("size", [1, 100, 2**20])
def test_bodies_are_read_as_they_were(body: bytes, encoding: str, size: int) -> None:
    """Up to the last byte that is allowed, however they were cut."""
    assert read(body, encoding, size=size) == BODY


def test_a_bomb_goes_off_in_small_pieces_and_no_further_than_is_allowed() -> None:
    """A little body that would be a large one."""
    inflater = Inflater("gzip", max_bytes=1_000_000)
    with pytest.raises(ImageTooLarge, match="inflates to more than 1,000,000 bytes"):
        list(inflater.feed(gzip.compress(bytes(10_000_000))))
    inflater = Inflater("gzip", max_bytes=10_000_000)
    sizes = [len(piece) for piece in inflater.feed(gzip.compress(bytes(10_000_000)))]
    assert (max(sizes), sum(sizes)) == (PIECE_BYTES, 10_000_000)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (COMPRESSED[:-9], "the gzip body is cut short"),
        (b"", "the gzip body is cut short"),
        (BODY, "the body is not gzip"),
        (COMPRESSED + b"more", "the gzip body goes on after its end"),
    ],
)
@pytest.mark.parametrize("size", [50, 2**20])
def test_broken_bodies_are_refused(body: bytes, sentence: str, size: int) -> None:
    """Cut short, not compressed at all, or with something behind."""
    with pytest.raises(ArgumentInvalid, match=sentence):
        read(body, "gzip", size=size)


def test_a_body_of_many_files_has_an_end() -> None:
    """Two hundred and more empty ones are enough, and only gzip's may follow one another."""
    assert read(gzip.compress(b"") * MOST_MEMBERS, "gzip") == b""
    with pytest.raises(ArgumentInvalid, match="goes on after its end"):
        read(gzip.compress(b"") * (MOST_MEMBERS + 1), "gzip")
    with pytest.raises(ArgumentInvalid, match="the deflate body goes on after its end"):
        read(zlib.compress(b"one") * 2, "deflate")


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x" * 1000])
def test_other_encodings_are_refused_by_their_name(encoding: str) -> None:
    """With what is read."""
    with pytest.raises(EncodingUnsupported, match=r"send gzip, deflate or identity") as refused:
        Inflater(encoding, max_bytes=1)
    assert len(refused.value.sentence) < 200
