"""Requests for the model `thirds`, which every test of the doors asks."""

import pytest
from recognition.v1 import recognition_pb2 as pb

from tests.service.packages import encode, picture


@pytest.fixture
def image() -> bytes:
    """A picture that is bright on the right."""
    return encode(picture(2))


@pytest.fixture
def request_for_one(image: bytes) -> pb.ClassifyRequest:
    return pb.ClassifyRequest(model=pb.ModelSelector(name="thirds"), image=image)
