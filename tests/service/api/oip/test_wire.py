"""Large requests are read without a copy of their tensors, and mean what protobuf says."""

import random
from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError
from recognition.oip import open_inference_pb2 as pb

from service.api.oip.messages import request_of
from service.api.oip.wire import LARGE_BYTES, read_request

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


def _reads(read: Callable[[bytes], object], data: bytes) -> bool:
    try:
        read(data)
    except DecodeError:
        return False
    return True
