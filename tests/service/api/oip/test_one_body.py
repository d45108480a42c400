"""The one input of a model out of a body that is nothing but it."""

import numpy as np
import pytest

from service.api.oip.one_body import tensor_of_body
from service.engine.datatypes import Datatype
from service.errors import ArgumentInvalid
from tests.service.api.oip.tensor_models import Doubling, spec
from tests.service.packages import encode, picture

IMAGES = Doubling(inputs=(spec("image", -1, 8, 12, 1, datatype=Datatype.UINT8, most_images=256),))


def test_an_image_file_is_one_image() -> None:
    """Broken ones and other files too, so that the decoder says what is wrong."""
    for body in (encode(picture(0)), b"\xff\xd8\xff", b"II*\x00" * 24, b"no image"):
        given = tensor_of_body(body, IMAGES)
        assert (given.datatype, given.tensor.tolist()) == (Datatype.BYTES, [body])


def test_as_many_bytes_as_pixels_are_pixels() -> None:
    """Unless they begin as a file does."""
    body = picture(1).tobytes()
    given = tensor_of_body(body, IMAGES)
    assert (given.datatype, given.tensor.shape) == (Datatype.UINT8, (1, 8, 12, 1))
    assert given.tensor.tobytes() == body
    assert tensor_of_body(b"GIF89a".ljust(96, b"\0"), IMAGES).datatype is Datatype.BYTES


def test_numbers_are_one_item() -> None:
    """An open size follows from the length."""
    body = np.arange(6, dtype=np.float32).tobytes()
    assert tensor_of_body(body[:12], Doubling()).tensor.tolist() == [[0.0, 1.0, 2.0]]
    open_size = Doubling(inputs=(spec("x", -1, 2, -1),))
    assert tensor_of_body(body, open_size).tensor.shape == (1, 2, 3)
    assert tensor_of_body(body, Doubling(max_batch_size=0, inputs=(spec("x", -1),))).tensor.shape == (6,)


def test_a_text_is_one_element() -> None:
    """Of a model of texts."""
    model = Doubling(inputs=(spec("x", -1, 1, datatype=Datatype.BYTES),))
    given = tensor_of_body(b"some words", model)
    assert (given.tensor.shape, given.tensor.item()) == ((1, 1), b"some words")


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (Doubling(), "Expected 12, got 5"),
        (Doubling(inputs=(spec("a", -1), spec("b", -1))), "'m' has 2"),
        (Doubling(inputs=(spec("x", -1, -1, -1),)), "does not follow"),
        (Doubling(inputs=(spec("x", -1, 2, datatype=Datatype.BYTES),)), "'x' needs more"),
    ],
)
def test_what_cannot_be_one_item_is_refused(model: Doubling, sentence: str) -> None:
    """With the reason."""
    with pytest.raises(ArgumentInvalid, match=sentence):
        tensor_of_body(b"12345", model)
