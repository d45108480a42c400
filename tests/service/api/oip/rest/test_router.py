"""Every path of the protocol over HTTP, through the whole service."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.in_process import InProcess, serving
from tests.service.packages import encode, picture


@pytest.fixture
async def http(service: InProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
        yield client


def pixels(*places: int) -> dict[str, Any]:
    data = np.stack([picture(place) for place in places])[..., np.newaxis]
    return {"inputs": [{"name": "image", "datatype": "UINT8", "shape": list(data.shape), "data": data.tolist()}]}


@pytest.mark.asyncio(loop_scope="module")
async def test_the_server_and_its_models_describe_themselves(shared_http: httpx.AsyncClient) -> None:
    """With the fields of the protocol."""
    assert (await shared_http.get("/v2")).json()["name"] == "recognition"
    assert (await shared_http.get("/v2/health/live")).json() == {"live": True}
    assert (await shared_http.get("/v2/health/ready")).json() == {"ready": True}
    metadata = (await shared_http.get("/v2/models/pair/versions/1")).json()
    assert metadata["inputs"][0] == {"name": "a", "datatype": "FP32", "shape": [-1, 2]}
    assert (await shared_http.get("/v2/models/thirds/config")).json()["max_batch_size"] == 8
    assert (await shared_http.get("/v2/models/thirds/ready")).json() == {"name": "thirds", "ready": True}
    assert (await shared_http.get("/v2/models/thirds/versions/1/stats")).json()["model_stats"][0]["version"] == "1"
    assert len((await shared_http.get("/v2/models/stats")).json()["model_stats"]) == 3


@pytest.mark.asyncio(loop_scope="module")
async def test_a_model_that_does_not_answer_is_400(shared_http: httpx.AsyncClient) -> None:
    """As clients of the protocol know it."""
    answer = await shared_http.get("/v2/models/nobody/ready")
    assert (answer.status_code, answer.json()) == (400, {"name": "nobody", "ready": False})


async def test_inference_in_json(service: InProcess, http: httpx.AsyncClient) -> None:
    """Counted in the metrics under the path."""
    answer = await http.post("/v2/models/thirds/infer", json={**pixels(2, 0), "id": "mine"})
    body = answer.json()
    assert (body["id"], body["outputs"][0]["shape"]) == ("mine", [2, 3])
    assert np.reshape(body["outputs"][0]["data"], (2, 3)).argmax(axis=1).tolist() == [2, 0]
    assert service.sum("recognition_requests_total", rpc="POST /v2/models/{model}/infer", code="OK") == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_may_be_the_image_itself(shared_http: httpx.AsyncClient) -> None:
    """Every output comes back as bytes then."""
    answer = await shared_http.post(
        "/v2/models/thirds/infer",
        content=encode(picture(1), "JPEG"),
        headers={"Inference-Header-Content-Length": "0"},
    )
    head = int(answer.headers["Inference-Header-Content-Length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert json.loads(answer.content[:head])["outputs"][0]["parameters"] == {"binary_data_size": 12}
    assert np.frombuffer(answer.content[head:], dtype=np.float32).argmax() == 1


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("/v2/models/nobody/infer", pixels(0), 404, "MODEL_NOT_FOUND"),
        ("/v2/models/thirds/versions/9/infer", pixels(0), 404, "VERSION_NOT_FOUND"),
        ("/v2/models/thirds/versions/x/infer", pixels(0), 400, "ARGUMENT_INVALID"),
        ("/v2/models/thirds/infer", {"inputs": []}, 400, "ARGUMENT_INVALID"),
        ("/v2/models/thirds/infer", {"inputs": "x"}, 400, "ARGUMENT_INVALID"),
        ("/v2/models/thirds/infer", pixels(*[0] * 9), 400, "BATCH_TOO_LARGE"),
        ("/v2/models/thirds/infer", {**pixels(0), "parameters": {"timeout": 1}}, 503, "DEADLINE_UNREACHABLE"),
        ("/v2/repository/models/nobody/load", {}, 404, "MODEL_NOT_FOUND"),
        ("/v2/repository/models/pair/load", {"parameters": {"config": "{}"}}, 400, "ARGUMENT_INVALID"),
        ("/v2/systemsharedmemory/region/a/register", {}, 501, "NOT_OFFERED"),
        ("/v2/cudasharedmemory/unregister", {}, 501, "NOT_OFFERED"),
        ("/v2/logging", {}, 501, "NOT_OFFERED"),
        ("/v2/trace/setting", {}, 501, "NOT_OFFERED"),
        ("/v2/nothing", {}, 404, "ROUTE_NOT_FOUND"),
    ],
)
async def test_errors_are_one_text_with_the_protocols_status(
    shared_http: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, reason: str
) -> None:
    """Under the key that its clients read, with our code and reason beside it."""
    answer = await shared_http.post(path, json=body)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert isinstance(answer.json()["error"], str)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("header", ["-1", "x", "999999", "1" * 20, ""])
async def test_a_header_that_means_nothing_is_refused(shared_http: httpx.AsyncClient, header: str) -> None:
    """Whatever it says."""
    headers = {"Inference-Header-Content-Length": header}
    answer = await shared_http.post("/v2/models/thirds/infer", content=b"{}", headers=headers)
    assert answer.status_code == 400


@pytest.mark.asyncio(loop_scope="module")
async def test_compressed_both_ways(shared_http: httpx.AsyncClient) -> None:
    """As the headers say."""
    import gzip

    body = gzip.compress(json.dumps(pixels(0, 1)).encode())
    answer = await shared_http.post("/v2/models/thirds/infer", content=body, headers={"Content-Encoding": "gzip"})
    assert answer.json()["outputs"][0]["shape"] == [2, 3]


async def test_the_repository_is_listed_loaded_and_unloaded(http: httpx.AsyncClient) -> None:
    """By name."""
    assert {"name": "pair", "version": "1", "state": "READY", "reason": ""} in (
        await http.post("/v2/repository/index")
    ).json()
    assert (await http.post("/v2/repository/models/pair/unload")).status_code == 200
    assert (await http.get("/v2/models/pair/ready")).status_code == 400
    only_ready = (await http.post("/v2/repository/index", json={"ready": True})).json()
    assert "pair" not in {model["name"] for model in only_ready}
    assert (await http.post("/v2/repository/models/pair/load")).status_code == 200
    assert (await http.get("/v2/models/pair/ready")).status_code == 200


async def test_a_body_that_is_too_large_is_refused(models: Path) -> None:
    """Before it is whole."""
    async with (
        serving(models, http=True, max_message_bytes=1000) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as http,
    ):
        answer = await http.post("/v2/models/thirds/infer", content=b"x" * 2000)
    assert (answer.status_code, answer.json()["reason"]) == (400, "IMAGE_TOO_LARGE")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_calls_are_in_the_openapi_document(shared_http: httpx.AsyncClient) -> None:
    """With bodies that hold no reference to nowhere."""
    document = (await shared_http.get("/openapi.json")).text
    paths = json.loads(document)["paths"]
    assert "/v2/models/{model}/versions/{version}/infer" in paths
    assert "#/$defs" not in document
