"""A packaged image classifier seen as tensors."""

import numpy as np
import pytest

from service.engine.datatypes import AnyTensor, Datatype
from service.engine.scheduler import Scheduler
from service.errors import ImageTooLarge, ImageUnreadable, QueueFull
from service.models.packaged_tensors import PackagedTensors
from tests.service.in_process import InProcess
from tests.service.packages import LABELS, encode, expected_logits, picture


@pytest.fixture
def tensors(service: InProcess) -> PackagedTensors:
    return PackagedTensors(live=service.live(), max_batch_size=8, max_images=256)


def files(*contents: bytes) -> AnyTensor:
    images = np.empty(len(contents), dtype=object)
    images[:] = contents
    return images


async def test_pixels_and_files_give_the_same(tensors: PackagedTensors) -> None:
    """In the order of the request."""
    pictures = [picture(place) for place in (2, 0, 1)]
    pixels = await tensors.compute({"image": np.stack(pictures)[..., np.newaxis]}, {"logits"}, deadline=None)
    encoded = await tensors.compute({"image": files(*map(encode, pictures))}, {"logits"}, deadline=None)
    expected = np.stack([expected_logits(pixels) for pixels in pictures])
    assert np.allclose(pixels.outputs["logits"], expected, atol=1e-4)
    assert np.array_equal(pixels.outputs["logits"], encoded.outputs["logits"])
    assert encoded.work.input_seconds > 0


async def test_a_bad_image_fails_the_request_and_is_named(tensors: PackagedTensors) -> None:
    """By its place, with its own error, and a word on how to get the others."""
    given = {"image": files(encode(picture(0)), b"nothing", b"")}
    with pytest.raises(ImageUnreadable, match=r"Image 1 of 3 .* So are 1 others") as refused:
        await tensors.compute(given, {"logits"}, deadline=None)
    assert refused.value.metadata["place"] == "1"


async def test_a_bad_image_harms_nobody_where_errors_are_asked_for(tensors: PackagedTensors) -> None:
    """It has NaN and its error; its neighbours their numbers and an empty text."""
    images = [encode(picture(place % 3)) for place in range(8)]
    images[5] = b"nothing"
    wanted = {"logits", "embedding", "error"}
    computed = await tensors.compute({"image": files(*images)}, wanted, deadline=None)
    errors = computed.outputs["error"].tolist()
    assert [place for place, text in enumerate(errors) if text] == [5]
    assert errors[5].startswith(b"IMAGE_UNREADABLE: ")
    good = [place for place in range(8) if place != 5]
    assert computed.outputs["logits"][good].argmax(axis=1).tolist() == [place % 3 for place in good]
    assert np.isnan(computed.outputs["logits"][5]).all()
    assert np.isnan(computed.outputs["embedding"][5]).all()


async def test_what_is_no_fault_of_an_image_fails_the_request(
    tensors: PackagedTensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where errors are asked for: a queue without room."""

    def refuse(*_: object, **__: object) -> None:
        raise QueueFull("full", retry_seconds=1.0)

    monkeypatch.setattr(Scheduler, "admit", refuse)
    with pytest.raises(QueueFull):
        await tensors.compute({"image": files(encode(picture(0)))}, {"logits", "error"}, deadline=None)


async def test_too_many_bytes_are_the_images_own_fault(tensors: PackagedTensors) -> None:
    """As everywhere."""
    with pytest.raises(ImageTooLarge):
        await tensors.compute({"image": files(b"\xff" * (11 * 2**20))}, {"logits"}, deadline=None)


def test_it_is_described_as_one_input_and_one_output(tensors: PackagedTensors) -> None:
    """So that clients of Triton's image examples know what to do; the rest is given on request."""
    assert [(spec.name, spec.datatype, spec.shape) for spec in tensors.inputs] == [
        ("image", Datatype.UINT8, (-1, 8, 12, 1))
    ]
    assert [(spec.name, spec.labels) for spec in tensors.outputs] == [("logits", LABELS)]
    assert [spec.name for spec in tensors.outputs_on_request] == ["embedding", "error"]
    config = tensors.config
    assert config.max_batch_size == 8
    assert config.parameters["outputs_on_request"].string_value == "embedding,error"
