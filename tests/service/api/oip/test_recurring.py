"""Requests that come again (service/api/oip/recurring.py): known or not, they mean what protobuf says."""

import random
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from recognition.oip import open_inference_pb2 as pb

from service.api.oip.messages import request_of
from service.api.oip.recurring import LONGEST_KNOWN, MOST_KNOWN, TRIES, RecurringRequests
from service.api.oip.requests import InferRequest
from service.errors import ArgumentInvalid, ServiceError


def message(content: bytes, *, name: str = "x", datatype: str = "UINT8", **more: Any) -> bytes:
    shape = [len(content)]
    tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    request = pb.ModelInferRequest(model_name="m", inputs=[tensor], raw_input_contents=[content], **more)
    request.parameters["priority"].int64_param = 1
    return bytes(request.SerializeToString())


def plain(data: bytes) -> InferRequest:
    return request_of(pb.ModelInferRequest.FromString(data))


def same(one: InferRequest, other: InferRequest) -> bool:
    """Tensors have no equality of their own."""
    tensors = zip(one.inputs, other.inputs, strict=True)
    return all(
        (a.name, a.datatype, a.tensor.shape, a.tensor.dtype) == (b.name, b.datatype, b.tensor.shape, b.tensor.dtype)
        and np.array_equal(a.tensor, b.tensor)
        for a, b in tensors
    ) and all(getattr(one, field) == getattr(other, field) for field in InferRequest.__slots__ if field != "inputs")


def learned(data: bytes) -> RecurringRequests:
    """A reader that has seen a request often enough."""
    requests = RecurringRequests()
    for _ in range(TRIES):
        assert same(requests.read(data), plain(data))
    return requests


@pytest.mark.parametrize("size", [0, 1, 127, 128, 784, 70_000])
def test_another_tensor_in_a_known_request(size: int) -> None:
    """Its own elements, and all the rest as before; it is a view of the bytes that came."""
    requests = learned(message(bytes(size)))
    assert len(requests._known) == 1
    data = message(bytes([7]) * size)
    found = requests.read(data)
    assert same(found, plain(data))
    assert size == 0 or not found.inputs[0].tensor.flags.owndata


@pytest.mark.parametrize("other", [{"id": "mine"}, {"model_version": "2"}, {"name": "y"}])
def test_any_other_byte_makes_it_another_request(other: dict[str, Any]) -> None:
    requests = learned(message(bytes(100)))
    data = message(bytes(100), **other)
    assert same(requests.read(data), plain(data))


def test_changed_bytes_mean_what_protobuf_says() -> None:
    """Wherever they are changed: the same request, or the same refusal."""
    chance, good = random.Random(1), message(bytes(range(100)), id="mine")
    requests = learned(good)
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(chance.choice((1, 2))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < 0.2:
            del data[chance.randrange(len(data)) :]
        try:
            expected = plain(bytes(data))
        except (DecodeError, ServiceError) as error:
            with pytest.raises(type(error)):
                requests.read(bytes(data))
        else:
            assert same(requests.read(bytes(data)), expected)


def test_what_may_be_wrong_with_the_elements_is_not_remembered() -> None:
    """Texts carry their lengths among them."""
    requests = RecurringRequests()
    text = b"\x02\0\0\0ab"
    data = message(text, datatype="BYTES").replace(b"\x1a\x01\x06", b"\x1a\x01\x01")
    for _ in range(2 * TRIES):
        assert requests.read(data).inputs[0].tensor.tolist() == [b"ab"]
    assert not requests._known
    with pytest.raises(ArgumentInvalid):
        requests.read(data.replace(text, b"\x09\0\0\0ab"))


def test_a_tensor_that_is_not_the_last_is_not_remembered() -> None:
    """What stands behind it might be another each time."""
    requests = RecurringRequests()
    data = message(bytes(10)) + pb.ModelInferRequest(id="late").SerializeToString()
    for _ in range(2 * TRIES):
        assert requests.read(data).id == "late"
    assert not requests._known


def test_few_forms_are_remembered() -> None:
    requests = RecurringRequests()
    for number in range(30 * TRIES):
        requests.read(message(bytes(10), id=str(number)))
    assert len(requests._known) == MOST_KNOWN


def test_what_is_remembered_is_short() -> None:
    """Whoever sends long words keeps none of them in our memory."""
    requests = RecurringRequests()
    for number in range(2 * TRIES):
        data = message(bytes(10), id=str(number) * LONGEST_KNOWN)
        assert same(requests.read(data), plain(data))
    assert not requests._known
    assert len(learned(message(bytes(10), id="x" * (LONGEST_KNOWN - 200)))._known) == 1
