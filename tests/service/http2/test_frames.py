"""Frames (service/http2/frames.py): the same whatever pieces the bytes come in."""

import random

import pytest

from service.http2.frames import (
    DATA,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    SETTINGS,
    ConnectionFault,
    Frame,
    FrameReader,
    frame,
    unpadded,
)

FRAMES: list[Frame] = [
    (SETTINGS, 0, 0, b""),
    (HEADERS, 4, 1, b"\x82\x86"),
    (DATA, 1, 1, b"x" * 300),
    (PING, 0, 0, b"12345678"),
    (0xEE, 0xFF, 2**31 - 1, b"y"),
]
BYTES = PREFACE + b"".join(frame(*one) for one in FRAMES)


def test_all_at_once() -> None:
    assert FrameReader(largest=1000).read(BYTES) == FRAMES


def test_byte_by_byte() -> None:
    reader = FrameReader(largest=1000)
    assert [found for byte in BYTES for found in reader.read(bytes([byte]))] == FRAMES
    assert not reader.waits


def test_in_any_pieces() -> None:
    chance = random.Random(1)
    for _ in range(200):
        reader, found, at = FrameReader(largest=1000), list[Frame](), 0
        while at < len(BYTES):
            size = chance.randrange(1, 200)
            found += reader.read(BYTES[at : at + size])
            at += size
        assert found == FRAMES


def test_the_reserved_bit_means_nothing() -> None:
    reader = FrameReader(largest=1000)
    assert reader.read(PREFACE + frame(PING, 0, 2**31, bytes(8))) == [(PING, 0, 0, bytes(8))]


def test_a_frame_that_is_too_large_is_known_by_its_length() -> None:
    """Before its bytes are here."""
    reader = FrameReader(largest=1000)
    reader.read(PREFACE)
    with pytest.raises(ConnectionFault, match="1001 bytes"):
        reader.read(frame(DATA, 0, 1, bytes(1001))[:9])


@pytest.mark.parametrize("wrong", [b"G", b"PRI * HTTP/1", PREFACE[:-1] + b"x", b"\0" * 24])
def test_what_cannot_become_a_preface_is_refused_at_once(wrong: bytes) -> None:
    with pytest.raises(ConnectionFault, match="not HTTP/2"):
        FrameReader(largest=1000).read(wrong)


@pytest.mark.parametrize(
    ("flags", "payload", "content"),
    [
        (0, b"\x05abc", b"\x05abc"),
        (PADDED, b"\x00abc", b"abc"),
        (PADDED, b"\x02abcde", b"abc"),
        (PADDED, b"\x03abc", b""),
    ],
)
def test_padding_is_taken_off(flags: int, payload: bytes, content: bytes) -> None:
    assert unpadded(flags, payload) == content


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x04abc"])
def test_there_is_no_more_padding_than_frame(payload: bytes) -> None:
    with pytest.raises(ConnectionFault):
        unpadded(PADDED, payload)
