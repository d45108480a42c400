"""The paths of TorchServe."""

import httpx
import pytest

from tests.service.packages import encode, picture


async def test_labels_with_their_probabilities_best_first(client: httpx.AsyncClient) -> None:
    """By POST of the raw bytes, by PUT, and as the one file of a form; with and without the version."""
    image = encode(picture(1))
    answers = [
        await client.post("/predictions/thirds", content=image),
        await client.put("/predictions/thirds", content=image),
        await client.post("/predictions/thirds/1", files={"data": ("cat.png", image)}),
        await client.put("/predictions/thirds/1", content=image),
    ]
    for answer in answers:
        labels = answer.json()
        assert next(iter(labels)) == "middle"
        assert list(labels.values()) == sorted(labels.values(), reverse=True)
        assert sum(labels.values()) == pytest.approx(1.0)


async def test_errors_are_those_of_the_other_calls(client: httpx.AsyncClient) -> None:
    """A bad image is 400."""
    answer = await client.post("/predictions/thirds", content=b"no image")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, "IMAGE_UNREADABLE")
