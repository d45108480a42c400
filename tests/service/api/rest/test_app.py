"""The HTTP door as a whole."""

import httpx
import pytest


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/nothing", 404, "ROUTE_NOT_FOUND"),
        ("GET", "/docs", 404, "ROUTE_NOT_FOUND"),
        ("DELETE", "/v1/models", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/models/", 404, "ROUTE_NOT_FOUND"),
    ],
)
async def test_what_is_not_there_has_the_same_form_of_error(
    client: httpx.AsyncClient, method: str, path: str, status: int, reason: str
) -> None:
    """JSON, and no redirects to guessed paths."""
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason)


async def test_the_description_lists_the_calls(client: httpx.AsyncClient) -> None:
    """Each with its body and its errors; the playground is a page and no call."""
    description = (await client.get("/openapi.json")).json()
    classify = description["paths"]["/v1/models/{model}:classify"]["post"]
    assert set(classify["requestBody"]["content"]) == {"application/octet-stream", "image/*", "multipart/form-data"}
    assert {"200", "4XX", "5XX"} <= set(classify["responses"])
    assert "/" not in description["paths"]
    ids = [call["operationId"] for path in description["paths"].values() for call in path.values()]
    assert len(ids) == len(set(ids))
