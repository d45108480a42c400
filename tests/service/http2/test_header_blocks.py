"""Header blocks (service/http2/header_blocks.py): a head is known again only while its bytes mean the same."""

import pytest
from hpack import Encoder

from service.http2.frames import ConnectionFault, ErrorCode
from service.http2.head import Head, Malformed
from service.http2.header_blocks import MOST_KNOWN, HeaderBlocks
from tests.service.http2.peer import FIELDS

LARGEST = 2**13


def block(encoder: Encoder, **more: str) -> bytes:
    return encoder.encode([*FIELDS.items(), *more.items()])


def test_the_same_bytes_are_read_once() -> None:
    """As soon as nothing in them is new to the table."""
    blocks, encoder = HeaderBlocks(largest=LARGEST), Encoder()
    first = blocks.read(block(encoder))
    again = block(encoder)
    second = blocks.read(again)
    assert first == second
    assert blocks.read(block(encoder)) is second


def test_the_same_bytes_mean_another_thing_after_the_table_changed() -> None:
    """An index points to the newest entry: what was said with it is forgotten when there is a newer one."""
    blocks, encoder = HeaderBlocks(largest=LARGEST), Encoder()
    start = encoder.encode(FIELDS.items())
    blocks.read(start)
    blocks.read(start_of_a := encoder.encode([*FIELDS.items(), ("x", "first")]))
    index = b"\xbe"
    base = encoder.encode(FIELDS.items())
    del start_of_a
    assert dict(blocks.read(base + index).metadata)["x"] == "first"
    newer = encoder.encode([*FIELDS.items(), ("x", "second")])
    assert dict(blocks.read(newer).metadata)["x"] == "second"
    assert dict(blocks.read(encoder.encode(FIELDS.items()) + index).metadata)["x"] == "second"


def test_what_is_skipped_changes_the_table_too() -> None:
    blocks, encoder = HeaderBlocks(largest=LARGEST), Encoder()
    blocks.read(block(encoder))
    blocks.read(block(encoder))
    blocks.skip(encoder.encode([("x", "of another stream")]))
    assert blocks.read(block(encoder, x="of another stream")).metadata == (("x", "of another stream"),)


def test_a_table_that_shrinks_is_a_change() -> None:
    blocks, encoder = HeaderBlocks(largest=LARGEST), Encoder()
    blocks.read(block(encoder, x="1"))
    known = block(encoder, x="1")
    blocks.read(known)
    encoder.header_table_size = 0
    assert blocks.read(block(encoder, x="2")).metadata == (("x", "2"),)
    with pytest.raises(ConnectionFault):
        blocks.read(known)


def test_few_heads_are_remembered() -> None:
    blocks = HeaderBlocks(largest=LARGEST)
    encoder = Encoder()
    blocks.read(block(encoder))
    base = block(encoder)
    for number in range(3 * MOST_KNOWN):
        blocks.read(base + b"\x00\x01x\x03%03d" % number)
        assert len(blocks._known) <= MOST_KNOWN


def test_a_request_that_is_none_leaves_the_table_right() -> None:
    blocks, encoder = HeaderBlocks(largest=LARGEST), Encoder()
    with pytest.raises(Malformed):
        blocks.read(encoder.encode([("x", "kept")]))
    assert blocks.read(block(encoder, x="kept")).metadata == (("x", "kept"),)


@pytest.mark.parametrize(
    "fault", [b"\xff\xff\xff\xff\xff\xff\xff", b"\x00\x05ab", b"\xfe", b"\x00", b"\x00\x81\xff\x01a"]
)
def test_what_cannot_be_read_ends_the_connection(fault: bytes) -> None:
    with pytest.raises(ConnectionFault) as found:
        HeaderBlocks(largest=LARGEST).read(fault)
    assert found.value.code is ErrorCode.COMPRESSION_ERROR


def test_sizes_of_the_table_change_seldom() -> None:
    """Each costs, and there may be any number of them before the first field."""
    with pytest.raises(ConnectionFault):
        HeaderBlocks(largest=LARGEST).read(b"\x20" * 1000 + block(Encoder()))


def test_fields_beyond_all_measure_end_the_connection() -> None:
    with pytest.raises(ConnectionFault) as found:
        HeaderBlocks(largest=LARGEST).read(b"\x82" * 1000)
    assert found.value.code is ErrorCode.ENHANCE_YOUR_CALM


def test_a_head_that_is_too_large_is_refused_in_its_place() -> None:
    found: Head = HeaderBlocks(largest=300).read(block(Encoder(), x="y" * 100))
    assert found.refusal is not None
