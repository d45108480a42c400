"""Sample pictures over HTTP."""

import httpx

from tests.service.packages import LABELS


async def test_there_is_one_of_each_label_and_the_model_knows_it(client: httpx.AsyncClient) -> None:
    """Each path leads to an image file, whose label the model finds."""
    samples = (await client.get("/v1/models/thirds/samples")).json()["samples"]
    assert [sample["label"] for sample in samples] == list(LABELS)
    for sample in samples:
        picture = await client.get(sample["path"])
        assert picture.headers["Content-Type"] == "image/png"
        answer = await client.post("/v1/models/thirds:classify", content=picture.content)
        assert answer.json()["classification"]["predictions"][0]["label"] == sample["label"]


async def test_a_sample_that_is_not_there_is_refused(client: httpx.AsyncClient) -> None:
    """400 for a number that is too high, and for what is none."""
    for index in ("3", "25", "-1", "x"):
        assert (await client.get(f"/v1/models/thirds/samples/{index}")).status_code == 400
