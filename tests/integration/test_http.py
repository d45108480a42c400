"""The HTTP door of the running service: one set of rules for both doors, and answers as they are described."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import psutil
import pytest
import schemathesis
from PIL import Image
from recognition.v1 import recognition_pb2 as pb
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub
from recognition_client import Classification, RecognitionClient

from tests.integration.running_service import ROOT, RunningService, running_service
from tests.integration.test_wrong_input import WRONG_IMAGES

MODEL = "/v1/models/fashion_cnn"
BAD = 17


@pytest.fixture
def client(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url) as client:
        yield client


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """64 images, the 18th of which is none."""
    random = np.random.default_rng(0)
    images = [png(random.integers(0, 255, (28, 28), dtype=np.uint8)) for _ in range(64)]
    images[BAD] = b"This is no image."
    return images


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_one_bad_image_among_64_in_a_form(client: httpx.Client, pictures: list[bytes]) -> None:
    """Exactly that one gets its error."""
    files = [("images", (f"{place}.png", image)) for place, image in enumerate(pictures)]
    results = client.post(f"{MODEL}:classify", files=files).json()["results"]
    assert [place for place, result in enumerate(results) if "error" in result] == [BAD]
    assert results[BAD]["error"]["reason"] == "IMAGE_UNREADABLE"


def test_one_bad_image_among_64_in_a_batch(service: RunningService, pictures: list[bytes]) -> None:
    """Exactly that one gets its error."""
    with RecognitionClient(service.target) as client:
        outcomes = client.batch_classify(pictures)
    assert [place for place, outcome in enumerate(outcomes) if not isinstance(outcome, Classification)] == [BAD]


def test_one_bad_image_among_64_in_a_stream(service: RunningService, pictures: list[bytes]) -> None:
    """Exactly that one gets its error."""
    requests = (pb.ClassifyStreamRequest(id=str(place), image=image) for place, image in enumerate(pictures))
    with grpc.insecure_channel(service.target) as channel:
        answers = list(RecognitionServiceStub(channel).ClassifyStream(requests, timeout=20))
    assert sorted(int(answer.id) for answer in answers) == list(range(64))
    assert [answer.id for answer in answers if answer.result.HasField("error")] == [str(BAD)]


@pytest.mark.parametrize("name", WRONG_IMAGES)
def test_wrong_images_get_the_reason_that_grpc_gives(client: httpx.Client, name: str) -> None:
    """400 with the reason of the table."""
    content, reason = WRONG_IMAGES[name]
    answer = client.post(f"{MODEL}:classify", content=content)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (400, reason)


def test_both_doors_answer_alike(service: RunningService, client: httpx.Client, pictures: list[bytes]) -> None:
    """Labels, embedding and heat map, from the same bytes."""
    image = pictures[0]
    with RecognitionClient(service.target) as other:
        result = other.classify(image)
    labels = client.post("/predictions/fashion_cnn/1", content=image).json()
    assert labels == pytest.approx({p.label: p.probability for p in result.predictions}, abs=1e-6)
    with grpc.insecure_channel(service.target) as channel:
        stub = RecognitionServiceStub(channel)
        embedding = stub.Embed(pb.EmbedRequest(images=[image])).results[0].embedding.values
        explanation = stub.Explain(pb.ExplainRequest(image=image, label="Bag"))
    embedded = client.post(f"{MODEL}:embed", content=image).json()["results"][0]["embedding"]
    assert embedded == pytest.approx(list(embedding), abs=1e-4)
    explained = client.post(f"{MODEL}:explain?label=Bag", content=image).json()
    assert (explained["rows"], explained["columns"]) == (explanation.rows, explanation.columns)
    assert explained["values"] == pytest.approx(list(explanation.values), abs=1e-4)


def test_the_command_draws_a_heat_map(service: RunningService, pictures: list[bytes], tmp_path: Path) -> None:
    """`recognition explain` writes a PNG and says what is in it."""
    image, output = tmp_path / "noise.png", tmp_path / "map.png"
    image.write_bytes(pictures[0])
    line = [sys.executable, "-m", "recognition_client", "explain", str(image), "--label", "Bag"]
    done = subprocess.run(
        [*line, "--output", str(output), "--server", service.target],
        capture_output=True,
        text=True,
        cwd=ROOT / "client",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Bag" in done.stdout
    with Image.open(output) as overlay:
        assert overlay.format == "PNG"


def test_a_flood_of_bytes_is_not_held_in_memory(service: RunningService) -> None:
    """A body far beyond every limit is refused, and the process grows by an image or two, which its allocator keeps."""
    process = psutil.Process(service.process.pid)

    def flood() -> Iterator[bytes]:
        for _ in range(400):
            yield bytes(2**18)

    before = process.memory_info().rss
    with httpx.Client(base_url=service.url) as client:
        try:
            answer = client.post(f"{MODEL}:classify", content=flood(), timeout=30)
        except httpx.TransportError:  # the server has answered and hung up while this still sent
            pass
        else:
            assert answer.json()["error"]["reason"] == "IMAGE_TOO_LARGE"
        assert client.get("/livez").status_code == 200
    assert process.memory_info().rss - before < 24 * 2**20  # of the 100 MiB that were sent


def test_every_json_answer_is_as_described(client: httpx.Client, pictures: list[bytes]) -> None:
    """Good answers and errors of every call validate against the served OpenAPI document."""
    document = client.get("/openapi.json").json()
    described = schemathesis.openapi.from_dict(document)
    answers = [*recognition_answers(client, pictures), *open_inference_answers(client, pictures[0])]
    for path, answer in answers:
        described[path][answer.request.method].validate_response(answer)
    pictures_only = {path for path in document["paths"] if path.endswith("/samples/{index}")}
    assert {path for path, _ in answers} == set(document["paths"]) - pictures_only


def recognition_answers(client: httpx.Client, pictures: list[bytes]) -> Iterator[tuple[str, httpx.Response]]:
    """Of our own API and its neighbours: for each path an answer that is good and, where there may be one, an error."""
    good, bad = pictures[0], pictures[BAD]
    form = [("images", ("a.png", good)), ("images", ("b.png", bad))]
    for pattern, path in (
        ("/v1/models/{model}", MODEL),
        ("/v1/models/{model}/versions/{version}", f"{MODEL}/versions/1"),
    ):
        yield pattern, client.get(path)
        yield pattern, client.get(f"{path}?precision=int8")
        for what in ("card", "samples"):
            yield f"{pattern}/{what}", client.get(f"{path}/{what}")
            yield f"{pattern}/{what}", client.get(f"{path.replace('fashion_cnn', 'nope')}/{what}")
        for what in ("classify", "embed", "explain"):
            yield f"{pattern}:{what}", client.post(f"{path}:{what}", content=good)
            yield f"{pattern}:{what}", client.post(f"{path}:{what}", content=bad)
            yield f"{pattern}:{what}", send_form(client, f"{path}:{what}", form)
        yield f"{pattern}:classify", client.post(f"{path}:classify?top_k=0", content=good)
        yield f"{pattern}:explain", client.post(f"{path}:explain?label=cat", content=good)
    for pattern, path in (("/predictions/{model}", "fashion_cnn"), ("/predictions/{model}/{version}", "fashion_cnn/1")):
        for content in (good, b""):
            yield pattern, client.put(f"/predictions/{path}", content=content)
            yield pattern, client.post(f"/predictions/{path}", content=content)
    for path in ("/v1/models", "/v1/metrics/summary", "/livez", "/readyz"):
        yield path, client.get(path)


def open_inference_answers(client: httpx.Client, image: bytes) -> Iterator[tuple[str, httpx.Response]]:
    """Of the Open Inference Protocol, likewise."""
    pixels = np.zeros((1, 28, 28, 1), dtype=np.uint8)
    tensor = {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
    best = {"name": "logits", "parameters": {"classification": 2}}
    for pattern, path in (
        ("/v2/models/{model}", "/v2/models/fashion_cnn"),
        ("/v2/models/{model}/versions/{version}", "/v2/models/fashion_cnn/versions/1"),
    ):
        yield pattern, client.get(path)
        for what in ("ready", "config", "stats"):
            yield f"{pattern}/{what}", client.get(f"{path}/{what}")
            yield f"{pattern}/{what}", client.get(f"{path.replace('fashion_cnn', 'nope')}/{what}")
        for outputs in ([], [best], [{"name": "nope"}]):
            body = {"id": "mine", "inputs": [tensor], "outputs": outputs}
            yield f"{pattern}/infer", client.post(f"{path}/infer", json=body)
        yield f"{pattern}/infer", client.post(f"{path}/infer", content=b"no JSON")
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"):
        yield path, client.get(path)
    yield "/v2/repository/index", client.post("/v2/repository/index", json={"ready": True})


def send_form(client: httpx.Client, url: str, files: list[tuple[str, tuple[str, bytes]]]) -> httpx.Response:
    """As `post`, with a request that can be looked at afterwards."""
    request = client.build_request("POST", url, files=files)
    request.read()
    return client.send(request)


def test_the_door_can_stay_closed(models: Path) -> None:
    """With --no-http the service answers over gRPC alone."""
    with running_service(models, "--no-http") as service:
        assert service.http_port == 0
        with RecognitionClient(service.target) as client:
            assert client.list_models()


def test_a_keep_alive_connection_does_not_hold_up_the_end(models: Path) -> None:
    """An idle connection is closed with the port; exit code 0."""
    with running_service(models, "--drain-seconds", "0") as service, httpx.Client(base_url=service.url) as client:
        assert client.get("/readyz").status_code == 200
        service.terminate()
        assert service.wait() == 0
        assert not any("error" in line for line in service.log)
