"""A model's card over HTTP."""

import httpx

from tests.service.packages import LABELS


async def test_the_card_says_what_the_manifest_says(client: httpx.AsyncClient) -> None:
    """Accuracy, the table of the labels, the digest; a confusion matrix only where one was recorded."""
    card = (await client.get("/v1/models/thirds/card")).json()
    assert card == (await client.get("/v1/models/thirds/versions/1/card")).json()
    assert (card["accuracy"], card["split"], card["images"]) == (1.0, "test", 18)
    assert [row["label"] for row in card["labels"]] == list(LABELS)
    assert card["confusion"] == []
    assert card["digest"] == (await client.get("/v1/models/thirds")).json()["digest"]
    assert card["input"] == {"height": 8, "width": 12, "resize": "stretch"}
