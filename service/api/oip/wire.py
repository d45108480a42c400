"""A ModelInferRequest from its bytes, with the tensors left where they are.

protobuf copies every tensor twice, once into the message and once out of it, while the event loop waits: for 64 images
of 224 pixels that is as long as a fast GPU takes to compute them. So large messages are cut here, field by field, and
only what lies around the tensors is given to protobuf. It takes the whole where cutting would be slower, or where it
alone knows whether a message is one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recognition.oip import open_inference_pb2 as pb

LARGE_BYTES = 2**16
"""Below that protobuf's copies cost less than a loop in Python."""
RAW_FIELD = pb.ModelInferRequest.DESCRIPTOR.fields_by_name["raw_input_contents"].number
VARINT, EIGHT_BYTES, DELIMITED, FOUR_BYTES = 0, 1, 2, 5
"""How a field says where it ends."""
FIXED = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
LONGEST_VALUE, LONGEST_SIZE = 10, 5
"""Bytes of a number: of one that is a value, and of a tag or a length."""
TAGS = 2**32
MOST_FIELDS = 256
"""That are looked at: a few are usual, and for millions of tiny ones a loop in Python takes forty times as long."""
OTHER = -1
"""Instead of a field's number."""

Raw = Sequence[bytes | memoryview]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """`raw` stands for the message's own `raw_input_contents`, which are empty where it was cut."""

    message: pb.ModelInferRequest
    raw: Raw


class _LeftToProtobuf(Exception):
    """It reads this, or refuses it."""


def read_request(data: bytes) -> WireRequest:
    """Raises protobuf's DecodeError."""
    if len(data) >= LARGE_BYTES:
        try:
            rest, raw = _cut(data)
        except _LeftToProtobuf:
            pass
        else:
            return WireRequest(message=pb.ModelInferRequest.FromString(rest), raw=raw)
    message = pb.ModelInferRequest.FromString(data)
    return WireRequest(message=message, raw=message.raw_input_contents)


def begin_of_only_tensor(data: bytes) -> int | None:
    """Where the content of the message's only tensor begins, if it goes on to the end of the message."""
    try:
        fields = list(_fields(data))
    except _LeftToProtobuf:
        return None
    of_tensors = [content for number, _, content, _ in fields if number == RAW_FIELD]
    return of_tensors[0] if len(of_tensors) == 1 and fields[-1][0] == RAW_FIELD else None


def _cut(data: bytes) -> tuple[bytes, Raw]:
    """What lies around the tensors, and they."""
    whole, rest, raw, kept = memoryview(data), bytearray(), list[memoryview](), 0
    for number, begin, content, end in _fields(data):
        if number == RAW_FIELD:
            rest += whole[kept:begin]
            raw.append(whole[content:end])
            kept = end
    rest += whole[kept:]
    return bytes(rest), raw


def _fields(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of the message itself: the number, where the field begins, where what it contains does, and its end.

    The number is OTHER where it has no length.
    """
    at = 0
    for _ in range(MOST_FIELDS):
        if at == len(data):
            return
        begin = at
        key, at = _varint(data, at, LONGEST_SIZE)
        kind = key & 7
        if kind == VARINT:
            content, (_, at) = at, _varint(data, at, LONGEST_VALUE)
        elif kind == DELIMITED:
            length, content = _varint(data, at, LONGEST_SIZE)
            at = content + length
        elif kind in FIXED:
            content, at = at, at + FIXED[kind]
        else:
            raise _LeftToProtobuf
        if key >= TAGS or at > len(data):
            raise _LeftToProtobuf
        yield (key >> 3 if kind == DELIMITED else OTHER), begin, content, at
    if at < len(data):
        raise _LeftToProtobuf


def _varint(data: bytes, at: int, longest: int) -> tuple[int, int]:
    """A number, seven bits a byte, and where it ends."""
    value = 0
    for place in range(longest):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise _LeftToProtobuf
