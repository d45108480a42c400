""":embed over HTTP."""

import httpx
import pytest

from tests.service.packages import encode, expected_logits, picture


async def test_each_image_has_its_vector(client: httpx.AsyncClient) -> None:
    """What the graph gives, and an error for a bad file."""
    files = [("images", ("a.png", encode(picture(0)))), ("images", ("b.png", b"bad"))]
    good, bad = (await client.post("/v1/models/thirds:embed", files=files)).json()["results"]
    assert good["embedding"] == pytest.approx((expected_logits(picture(0)) / 10.0).tolist(), abs=1e-6)
    assert bad["error"]["reason"] == "IMAGE_UNREADABLE"


async def test_a_raw_body_is_one_image(client: httpx.AsyncClient) -> None:
    """A list of one."""
    answer = await client.post("/v1/models/thirds/versions/1:embed", content=encode(picture(0)))
    assert len(answer.json()["results"]) == 1
