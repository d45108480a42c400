""":classify over HTTP: raw bodies and forms."""

import gzip
from pathlib import Path

import httpx
import pytest
from recognition.v1 import recognition_pb2 as pb

from tests.service.in_process import InProcess, serving
from tests.service.packages import LABELS, PackageRecipe, encode, picture

URL = "/v1/models/thirds:classify"


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    """A form's files, named by their place."""
    return [("images", (f"{place}.png", content)) for place, content in enumerate(contents)]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_raw_body_is_one_image(shared_client: httpx.AsyncClient) -> None:
    """The labels come best first, with the version that gave them and where the time went."""
    answer = await shared_client.post(URL, content=encode(picture(2)))
    assert answer.status_code == 200
    body = answer.json()
    assert body["classification"]["predictions"][0]["label"] == "right"
    assert body["classification"]["unknown"] is False
    assert (body["model"]["name"], body["model"]["version"]) == ("thirds", 1)
    assert body["times"]["batch_size"] == 1


async def test_both_doors_give_the_same_answer(open_service: InProcess, client: httpx.AsyncClient) -> None:
    """Probabilities and digest are those of the gRPC call, to the last bit."""
    image = encode(picture(1, brightness=90))
    http = (await client.post(URL, content=image)).json()
    grpc = await open_service.stub.Classify(pb.ClassifyRequest(image=image))
    assert http["model"]["digest"] == grpc.model.digest
    for mine, theirs in zip(http["classification"]["predictions"], grpc.classification.predictions, strict=True):
        assert (mine["index"], mine["label"]) == (theirs.index, theirs.label)
        assert mine["probability"] == pytest.approx(theirs.probability, abs=1e-7)


@pytest.mark.asyncio(loop_scope="module")
async def test_options_come_in_the_query(shared_client: httpx.AsyncClient) -> None:
    """top_k cuts the answer, min_confidence marks it."""
    answer = await shared_client.post(URL, content=encode(picture(0)), params={"top_k": 1, "min_confidence": 1.0})
    classification = answer.json()["classification"]
    assert len(classification["predictions"]) == 1
    assert classification["unknown"] is True


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("name", "value"), [("top_k", "0"), ("top_k", "many"), ("min_confidence", "2"), ("priority", "1")]
)
async def test_options_that_mean_nothing_are_named(shared_client: httpx.AsyncClient, name: str, value: str) -> None:
    """400 with ARGUMENT_INVALID and the name of the parameter."""
    answer = await shared_client.post(URL, content=encode(picture(0)), params={name: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] == "ARGUMENT_INVALID"
    assert answer.json()["error"]["details"]["field"] == name


@pytest.mark.asyncio(loop_scope="module")
async def test_a_name_that_is_no_parameter_is_refused(shared_client: httpx.AsyncClient) -> None:
    """By its name, with those that there are: a slip would else be passed over in silence."""
    answer = await shared_client.post(URL, content=encode(picture(0)), params={"topk": 3, "top_k": 1})
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"], error["details"]) == (400, "ARGUMENT_INVALID", {"field": "query"})
    assert "no parameter 'topk'; it takes min_confidence, precision, priority, top_k, version." in error["message"]
    assert "'x'; it takes none." in (await shared_client.get("/v1/models?x=1")).json()["error"]["message"]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_body_may_come_compressed(shared_client: httpx.AsyncClient) -> None:
    """Answered as if it had come as it is; an encoding that is not read is named."""
    image = encode(picture(2))
    answer = await shared_client.post(URL, content=gzip.compress(image), headers={"Content-Encoding": "gzip"})
    assert answer.json()["classification"]["predictions"][0]["label"] == "right"
    answer = await shared_client.post(URL, content=image, headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.json()["error"]["reason"]) == (415, "ENCODING_UNSUPPORTED")
    assert answer.headers["Accept-Encoding"] == "gzip, deflate"
    assert "'br'" in answer.json()["error"]["message"]
    answer = await shared_client.post(URL, content=image, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "the body is not gzip")


@pytest.mark.asyncio(loop_scope="module")
async def test_one_bad_file_among_64_has_its_own_error(shared_client: httpx.AsyncClient) -> None:
    """The other 63 are answered, all in the order of the form."""
    contents = [encode(picture(place % 3)) for place in range(64)]
    contents[40] = b"no image"
    answer = await shared_client.post(URL, files=files(*contents))
    results = answer.json()["results"]
    assert [result["name"] for result in results] == [f"{place}.png" for place in range(64)]
    assert [place for place, result in enumerate(results) if "error" in result] == [40]
    assert results[40]["error"]["reason"] == "IMAGE_UNREADABLE"
    good = [(place, result) for place, result in enumerate(results) if place != 40]
    assert all(result["classification"]["predictions"][0]["label"] == LABELS[place % 3] for place, result in good)


async def test_a_file_that_is_too_large_has_its_own_error(models: Path) -> None:
    """It is dropped while it streams by; its neighbours are answered."""
    async with (
        serving(models, http=True, max_image_bytes=1000) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client,
    ):
        answer = await client.post(URL, files=files(encode(picture(0)), bytes(100_000), encode(picture(1))))
    reasons = [result.get("error", {}).get("reason") for result in answer.json()["results"]]
    assert reasons == [None, "IMAGE_TOO_LARGE", None]


async def test_version_and_alias_are_named_in_the_path_or_the_query(models: Path) -> None:
    """A number is a version, anything else an alias."""
    PackageRecipe(version=2).write(models)
    (models / "thirds" / "aliases.json").write_text('{"stable": 1, "canary": 2}')
    image = encode(picture(0))
    async with (
        serving(models, http=True) as service,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client,
    ):
        for url, version in (
            (URL, 1),
            ("/v1/models/thirds/versions/2:classify", 2),
            ("/v1/models/thirds/versions/canary:classify", 2),
            (f"{URL}?version=canary", 2),
        ):
            assert (await client.post(url, content=image)).json()["model"]["version"] == version
        unknown = await client.post("/v1/models/thirds/versions/nightly:classify", content=image)
    assert (unknown.status_code, unknown.json()["error"]["reason"]) == (404, "VERSION_NOT_FOUND")


async def test_calls_are_counted_by_their_route(open_service: InProcess, client: httpx.AsyncClient) -> None:
    """The label names the route with its parameters' names, so that clients cannot make up series."""
    await client.post(URL, content=encode(picture(0)))
    await client.post("/v1/models/nonsense:classify", content=b"")
    route = "POST /v1/models/{model}:classify"
    assert open_service.sum("recognition_requests_total", rpc=route, model="thirds", version="1", code="OK") == 1
    assert open_service.sum("recognition_requests_total", rpc=route, model="", code="NOT_FOUND") == 1
    assert open_service.sum("recognition_predictions_total", label="left") == 1
