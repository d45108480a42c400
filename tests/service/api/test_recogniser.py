"""What every door does with images."""

import numpy as np
import pytest

from service.api.calls import Call, current_call
from service.api.oip.statistics import Statistics
from service.api.recogniser import Recogniser
from service.engine.answers import Answer, Embedded
from service.errors import BatchTooLarge, ImageTooLarge, ImageUnreadable, ModelNotFound, ServiceError
from tests.service.in_process import InProcess
from tests.service.packages import encode, expected_logits, picture


@pytest.fixture
def recogniser(service: InProcess) -> Recogniser:
    current_call.set(Call())
    return Recogniser(
        service.server._registry,
        service.server._metrics,
        Statistics(),
        max_images=4,
        default_deadline_seconds=10.0,
    )


async def test_the_model_is_noted_for_the_metrics(recogniser: Recogniser) -> None:
    """Only when it was found."""
    with pytest.raises(ModelNotFound):
        recogniser.live_model("nonsense")
    assert current_call.get() == Call()
    recogniser.live_model("thirds")
    assert current_call.get() == Call(model="thirds", version="1")


async def test_an_image_that_was_refused_before_keeps_its_place(service: InProcess, recogniser: Recogniser) -> None:
    """And is counted with the other errors."""
    images: list[bytes | ServiceError] = [encode(picture(0)), ImageTooLarge("Too large."), b"bad", encode(picture(2))]
    answers = await recogniser.classify_each(service.live(), images, top_k=1)
    assert [type(answer) for answer in answers] == [Answer, ImageTooLarge, ImageUnreadable, Answer]
    assert service.sum("recognition_images_total", outcome="error") == 2
    assert service.sum("recognition_images_total", outcome="ok") == 2
    assert service.sum("recognition_rejected_total") == 2


async def test_embeddings_come_one_for_each_image(service: InProcess, recogniser: Recogniser) -> None:
    """In order, a bad image as an error in its place."""
    good, bad = await recogniser.embed_many(service.live(), [encode(picture(1)), b"bad"])
    assert isinstance(good, Embedded)
    np.testing.assert_allclose(good.vector, expected_logits(picture(1)) / 10.0, atol=1e-6)
    assert isinstance(bad, ImageUnreadable)


async def test_every_kind_of_request_is_in_the_statistics(service: InProcess, recogniser: Recogniser) -> None:
    """One each, with the images that were computed for it; one without any answer has failed."""
    live, image = service.live(), encode(picture(1))
    await recogniser.classify(live, image, top_k=1)
    await recogniser.classify_many(live, [image, b"bad", image], top_k=1)
    await recogniser.embed_many(live, [image])
    await recogniser.explain(live, image)
    with pytest.raises(ImageUnreadable):
        await recogniser.classify(live, b"bad", top_k=1)
    await recogniser.classify_many(live, [b"bad"], top_k=1)
    told = recogniser._statistics.message("thirds", 1)
    assert (told.inference_stats.success.count, told.inference_stats.fail.count) == (4, 2)
    assert (told.inference_stats.queue.count, told.inference_count) == (4, 5)


async def test_too_many_images_are_refused_as_a_whole(service: InProcess, recogniser: Recogniser) -> None:
    """Whatever is asked of them, and none is counted."""
    images = [encode(picture(0))] * 5
    with pytest.raises(BatchTooLarge, match="5 images; at most 4"):
        await recogniser.classify_many(service.live(), images, top_k=1)
    with pytest.raises(BatchTooLarge):
        await recogniser.embed_many(service.live(), images)
    assert service.sum("recognition_images_total") == 0


async def test_an_explanation_counts_as_one_image(service: InProcess, recogniser: Recogniser) -> None:
    """However many it takes to make it."""
    await recogniser.explain(service.live(), encode(picture(0)))
    with pytest.raises(ImageUnreadable):
        await recogniser.explain(service.live(), b"bad")
    assert service.sum("recognition_images_total", outcome="ok") == 1
    assert service.sum("recognition_images_total", outcome="error") == 1
