"""Large requests are read without a copy of their tensors, and mean what protobuf says."""

import random
from collections.abc import Callable, Iterable

import pytest
from google.protobuf.message import DecodeError
from recognition.oip import open_inference_pb2 as pb

from service.api.oip.messages import request_of
from service.api.oip.wire import LARGE_BYTES, MOST_FIELDS, _fields, _LeftToProtobuf, read_request

LARGE = bytes(range(256)) * (LARGE_BYTES // 256)


def request(*raw: bytes) -> bytes:
    message = pb.ModelInferRequest(model_name="m", id="i", raw_input_contents=raw)
    for place, content in enumerate(raw):
        message.inputs.add(name=f"input {place}", datatype="UINT8", shape=[len(content)])
    message.outputs.add(name="y")
    message.parameters["timeout"].int64_param = 5
    return bytes(message.SerializeToString())


@pytest.mark.parametrize("raw", [(b"small",), (LARGE,), (b"", LARGE, b"after"), (LARGE, LARGE)])
def test_it_is_what_protobuf_reads(raw: tuple[bytes, ...]) -> None:
    """Small ones among large ones, in their order."""
    read = read_request(request(*raw))
    assert tuple(bytes(content) for content in read.raw) == raw
    expected = pb.ModelInferRequest.FromString(request(*raw))
    assert request_of(read.message, read.raw).id == "i"
    read.message.raw_input_contents[:] = raw
    assert read.message == expected


def test_a_large_tensor_is_not_copied() -> None:
    """It is a view of the bytes that came in."""
    data = request(LARGE)
    (content,) = read_request(data).raw
    assert isinstance(content, memoryview)
    assert content.obj is data


def test_elements_in_their_own_fields_and_unknown_fields_are_left_to_protobuf() -> None:
    """Of every kind, groups included."""
    message = pb.ModelInferRequest(model_name="m" * LARGE_BYTES)
    known = message.SerializeToString()
    for unknown in (b"\xf8\x01\x05", b"\xf9\x01" + bytes(8), b"\xfd\x01" + bytes(4), b"\xfb\x01\xfc\x01"):
        read = read_request(unknown + known + request(LARGE) + unknown + request(LARGE))
        assert read.message.model_name == "m"
        assert [bytes(content) for content in read.raw] == [LARGE, LARGE]


def test_what_is_no_message_is_refused_as_protobuf_does() -> None:
    """Cut at any place, and with any byte changed, the one refuses what the other does."""
    whole, chance = request(b"first", LARGE), random.Random(0)
    heads = list(range(40)) + [len(whole) - place for place in range(1, 40)]
    broken = [whole[:place] for place in heads if place > LARGE_BYTES]
    for _ in range(300):
        changed = bytearray(whole)
        changed[chance.choice(heads) % len(whole)] = chance.randrange(256)
        broken.append(bytes(changed))
    for data in broken:
        assert _reads(read_request, data) == _reads(pb.ModelInferRequest.FromString, data)


@pytest.mark.parametrize("field", [b"\x3a\x00", b"\x78\x00"])
def test_many_tiny_fields_are_left_to_protobuf(field: bytes) -> None:
    """Raw ones and unknown ones: but a bounded number is looked at."""
    data = field * 2**20
    looked_at = list[tuple[int, int, int, int]]()
    with pytest.raises(_LeftToProtobuf):
        looked_at.extend(_fields(data))
    assert len(looked_at) <= MOST_FIELDS
    expected = pb.ModelInferRequest.FromString(data)
    read = read_request(data)
    assert read.message == expected
    assert len(read.raw) == len(expected.raw_input_contents)


@pytest.mark.parametrize("inputs", [MOST_FIELDS // 2, MOST_FIELDS])
def test_many_tensors_keep_their_order(inputs: int) -> None:
    """On both sides of the bound."""
    raw = (LARGE, *(bytes([place % 256]) for place in range(inputs)), LARGE)
    assert [bytes(content) for content in read_request(b"".join(map(_raw, raw))).raw] == list(raw)


@pytest.mark.parametrize(
    "field",
    [
        b"\xba" + b"\x80" * 4 + b"\x00\x01x",  # the tag in six bytes
        b"\xba\x80\x80\x80\x10\x01x",  # in five, with more than 32 bits
        b"\x3a\x81" + b"\x80" * 4 + b"\x00x",  # the length in six
        b"\x3a\x81" + b"\x80" * 9 + b"\x01x",
        b"\x08" + b"\xff" * 10 + b"\x01",  # the value in eleven
    ],
)
def test_a_number_that_is_too_long_is_protobuf_s_to_judge(field: bytes) -> None:
    """The same error, or the same message."""
    data = request(LARGE) + field
    assert _result(lambda given: read_request(given).raw, data) == _result(
        lambda given: pb.ModelInferRequest.FromString(given).raw_input_contents, data
    )


def _raw(content: bytes) -> bytes:
    return bytes(pb.ModelInferRequest(raw_input_contents=[content]).SerializeToString())


def _result(read: Callable[[bytes], Iterable[bytes | memoryview]], data: bytes) -> list[bytes] | str:
    try:
        return [bytes(content) for content in read(data)]
    except DecodeError as error:
        return str(error)


def _reads(read: Callable[[bytes], object], data: bytes) -> bool:
    try:
        read(data)
    except DecodeError:
        return False
    return True
