"""Images as vectors, with both clients."""

import pytest
from recognition.v1 import recognition_pb2 as pb
from recognition_client import AsyncRecognitionClient, Embedding, ImageError, RecognitionClient
from recognition_client.embeddings import embeddings
from recognition_client.errors import ResponseInvalid

from tests.client.fake_service import FakeService


def vectors(found: list[Embedding | ImageError]) -> list[tuple[float, ...] | str]:
    return [one.reason if isinstance(one, ImageError) else one.values for one in found]


def test_each_image_has_its_vector_or_its_error(client: RecognitionClient, service: FakeService) -> None:
    """In their order, in as many requests as it takes."""
    found = client.embed([b"a", b"bad", b"abc"], model="m", version=2, images_per_request=2)
    assert vectors(found) == [(1.0, 2.0), "IMAGE_UNREADABLE", (3.0, 6.0)]
    chosen = pb.ModelSelector(name="m", version=2)
    assert service.requests == [
        pb.EmbedRequest(model=chosen, images=[b"a", b"bad"]),
        pb.EmbedRequest(model=chosen, images=[b"abc"]),
    ]


async def test_the_asyncio_client_gives_the_same(aio_client: AsyncRecognitionClient, service: FakeService) -> None:
    """Also where the server takes fewer images than were sent at once."""
    service.max_images = 1
    assert vectors(await aio_client.embed([b"a", b"bad", b"abc"])) == [(1.0, 2.0), "IMAGE_UNREADABLE", (3.0, 6.0)]


@pytest.mark.parametrize("results", [[], [pb.EmbedResult()]])
def test_an_answer_that_breaks_the_api_is_an_error(results: list[pb.EmbedResult]) -> None:
    """Too few results, and one that is neither a vector nor an error."""
    with pytest.raises(ResponseInvalid):
        embeddings(pb.EmbedResponse(results=results), expected=1)
