"""Header blocks of answers (service/http2/answers.py), read by the package that clients' libraries agree with."""

import grpc
import pytest
from hpack import Decoder

from service.http2.answers import BEGINNING, LONGEST_WORDS, OK, ending, field, http_status


def read(block: bytes) -> list[tuple[str, str]]:
    decoder = Decoder(max_header_list_size=2**20)
    found = [(str(name), str(value)) for name, value in decoder.decode(block)]
    assert not decoder.header_table.dynamic_entries
    return found


def test_the_beginning() -> None:
    assert read(BEGINNING) == [
        (":status", "200"),
        ("content-type", "application/grpc"),
        ("grpc-accept-encoding", "identity"),
    ]


def test_a_good_end() -> None:
    assert read(OK) == read(ending(grpc.StatusCode.OK)) == [("grpc-status", "0")]


@pytest.mark.parametrize(
    ("words", "sent"),
    [("plain words", "plain words"), ("100 %", "100 %25"), ("ö\n", "%C3%B6%0A"), ("\x7f~", "%7F~"), ("€", "%E2%82%AC")],
)
def test_words_are_printable(words: str, sent: str) -> None:
    """The percent encoding of gRPC."""
    assert read(ending(grpc.StatusCode.INTERNAL, words)) == [("grpc-status", "13"), ("grpc-message", sent)]


def test_words_have_an_end() -> None:
    assert len(read(ending(grpc.StatusCode.INTERNAL, "x" * 10**6))[1][1]) == LONGEST_WORDS


def test_metadata_of_text_and_of_bytes() -> None:
    block = ending(grpc.StatusCode.OK, metadata=(("X-Text", "a"), ("x-bin", b"\x00\xff"), ("x-text", b"b")))
    assert read(block)[1:] == [("x-text", "a"), ("x-bin", "AP8"), ("x-text", "b")]


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 254, 255, 256, 16_383, 16_384, 100_000])
def test_fields_of_every_length(size: int) -> None:
    assert read(field(b"x", b"v" * size)) == [("x", "v" * size)]


def test_a_status_of_http() -> None:
    assert read(http_status(415)) == [(":status", "415")]
