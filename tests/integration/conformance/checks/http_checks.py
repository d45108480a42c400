"""tritonclient.http against a running service: each function is one row of what its callers rely on."""

import gzip
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import tritonclient.http as triton  # type: ignore[import-not-found] # only in its own environment

from tests.integration.conformance.checks.expectations import (
    DATATYPES,
    LABELS,
    PACKAGE,
    images,
    picture,
    png,
    refused,
    sample,
)

connect = triton.InferenceServerClient
Client: TypeAlias = Any


def given(name: str, values: Any, datatype: str, *, binary: bool = True) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def pixels(count: int = 1, *, binary: bool = True) -> Any:
    return given("image", np.stack([picture(place % 3) for place in range(count)]), "UINT8", binary=binary)


def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
    """Status, headers and body, as any HTTP client sees them."""
    request = urllib.request.Request(f"http://{url}", data=body, headers=dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, as the line above says
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def check_health(client: Client) -> None:
    """Live, ready; an unknown model is not ready."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(PACKAGE)
    assert client.is_model_ready(PACKAGE, "1")
    assert not client.is_model_ready("nobody")
    assert not client.is_model_ready("../a b")


def check_descriptions(client: Client) -> None:
    """Metadata, configuration, index and statistics, with numbers as numbers."""
    assert client.get_server_metadata()["name"] == "recognition"
    metadata = client.get_model_metadata(PACKAGE, "1")
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 8, 12, 1]}]
    config = client.get_model_config(PACKAGE)
    assert (config["max_batch_size"], config["input"][0]["dims"]) == (64, [8, 12, 1])
    assert config["input"][0]["format"] == "FORMAT_NHWC"
    index = client.get_model_repository_index()
    assert {"name": PACKAGE, "version": "1", "state": "READY", "reason": ""} in index
    before = client.get_inference_statistics(PACKAGE, "1")["model_stats"][0]
    client.infer(PACKAGE, [pixels(3)])
    after = client.get_inference_statistics(PACKAGE)["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 3
    assert len(client.get_inference_statistics()["model_stats"]) > 1


def check_load_and_unload(client: Client) -> None:
    """By name of the repository, with nothing that a caller brings."""
    client.unload_model("total")
    assert not client.is_model_ready("total")
    client.load_model("total")
    assert client.is_model_ready("total")
    refused(partial(client.load_model, "nobody"), "failed to load 'nobody'", "404")
    refused(partial(client.load_model, "total", config="{}"), "no config and no file", "400")
    files = {"file:1/model.onnx": b"x"}
    refused(partial(client.load_model, "total", config="{}", files=files), "no config and no file", "400")


def check_infer(client: Client) -> None:
    """Id, priority, timeout, parameters and headers are taken; without outputs everything comes back as bytes."""
    result = client.infer(
        PACKAGE,
        [pixels(2)],
        request_id="mine",
        priority=1,
        timeout=10_000_000,
        headers={"x-request": "1"},
        query_params={"a": "b"},
        parameters={"text": "a", "yes": True, "number": 3},
    )
    response = result.get_response()
    assert (response["id"], response["model_name"], response["model_version"]) == ("mine", PACKAGE, "1")
    assert response["outputs"][0]["parameters"]["binary_data_size"] == 24
    assert list(result.as_numpy("logits").argmax(axis=1)) == [0, 1]


def check_json_and_bytes(client: Client) -> None:
    """Each input and each output as JSON or as bytes: the same numbers."""
    answers = []
    for binary_in in (True, False):
        for binary_out in (True, False):
            wanted = [triton.InferRequestedOutput("logits", binary_data=binary_out)]
            result = client.infer(PACKAGE, [pixels(2, binary=binary_in)], outputs=wanted)
            answers.append(result.as_numpy("logits"))
    assert all(np.allclose(answer, answers[0]) for answer in answers)


def check_datatypes(client: Client) -> None:
    """Every type comes back as it went, in bytes and, but for half precision, in JSON."""
    for datatype in DATATYPES:
        values = sample(datatype)
        model = f"identity_{datatype.lower()}"
        assert np.array_equal(client.infer(model, [given("x", values, datatype)]).as_numpy("y"), values), datatype
        wanted = [triton.InferRequestedOutput("y", binary_data=False)]
        if datatype == "FP16":
            refused(partial(client.infer, model, [given("x", values, datatype)], outputs=wanted), "via JSON", "400")
            continue
        tensor = given("x", values, datatype, binary=False)
        got = client.infer(model, [tensor], outputs=wanted).as_numpy("y")
        texts = [text.encode() for text in got.ravel()] if datatype == "BYTES" else got.ravel().tolist()
        assert texts == values.ravel().tolist(), datatype


def check_async_infer(client: Client) -> None:
    """Requests side by side."""
    with triton.InferenceServerClient(client._parsed_url.netloc or client._parsed_url.path, concurrency=4) as many:
        asked = [many.async_infer(PACKAGE, [pixels(place % 3 + 1)]) for place in range(12)]
        for place, request in enumerate(asked):
            assert request.get_result(timeout=30).as_numpy("logits").shape == (place % 3 + 1, 3)


def check_compression(client: Client) -> None:
    """Compressed with gzip and deflate, both ways."""
    for algorithm in ("gzip", "deflate"):
        result = client.infer(
            PACKAGE,
            [pixels(64)],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
            outputs=[triton.InferRequestedOutput("logits", binary_data=False)],
        )
        assert result.as_numpy("logits").shape == (64, 3)


def check_compression_bomb(url: str) -> None:
    """A small body that inflates to more than a body may have is refused."""
    bomb = gzip.compress(b"\0" * (65 * 2**20))
    status, _, answer = post(f"{url}/v2/models/{PACKAGE}/infer", bomb, {"Content-Encoding": "gzip"})
    assert status == 400
    assert "inflates to more than" in json.loads(answer)["error"]


def check_classification(client: Client) -> None:
    """`value:index:label`, best first."""
    wanted = [triton.InferRequestedOutput("logits", class_count=2)]
    best = client.infer(PACKAGE, [pixels(2)], outputs=wanted).as_numpy("logits")
    assert best.shape == (2, 2)
    assert best[1][0].decode().split(":", 2)[1:] == ["1", LABELS[1]]
    wanted = [triton.InferRequestedOutput("logits", class_count=1, binary_data=False)]
    best = client.infer(PACKAGE, [pixels(2)], outputs=wanted).as_numpy("logits")
    assert best[0][0].split(":", 2)[2] == LABELS[0]


def check_encoded_images(client: Client) -> None:
    """One bad image among 64 fails the request, or, where `error` is asked for, has its error to itself."""
    batch = images(64)
    batch[17] = b"this is no image"
    bad = given("image", batch, "BYTES")
    refused(partial(client.infer, PACKAGE, [bad]), "Image 17 of 64", "400")
    wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("logits", "error")]
    result = client.infer(PACKAGE, [bad], outputs=wanted)
    assert [place for place, text in enumerate(result.as_numpy("error")) if text] == [17]
    logits = result.as_numpy("logits")
    assert np.isnan(logits[17]).all()
    assert logits[18].argmax() == 0


def check_body_that_is_the_image(url: str) -> None:
    """With a header of 0 the body is the one input: an image file, or the pixels themselves."""
    for body in (png(picture(2)), picture(2).tobytes()):
        path = f"{url}/v2/models/{PACKAGE}/infer"
        status, headers, answer = post(path, body, {"Inference-Header-Content-Length": "0"})
        assert status == 200, answer
        described = json.loads(answer[: int(headers["inference-header-content-length"])])
        size = described["outputs"][0]["parameters"]["binary_data_size"]
        assert int(np.frombuffer(answer[-size:], dtype=np.float32).argmax()) == 2


def check_names_that_need_quoting(client: Client) -> None:
    """Names with spaces, slashes and signs arrive as they are, and are unknown."""
    for name in ("a b", "a/b", "ä", "a%2Fb"):
        refused(partial(client.get_model_metadata, name), "", "404")


def check_errors(client: Client) -> None:
    """Statuses and texts of the protocol."""
    refused(partial(client.infer, "nobody", [pixels()]), "Request for unknown model: 'nobody' is not found", "404")
    wide = given("x", np.zeros((1, 4), dtype=np.float32), "FP32")
    refused(partial(client.infer, "identity_fp32", [wide]), "unexpected shape for input 'x'", "400")
    refused(partial(client.infer, PACKAGE, [pixels()], timeout=1), "Request timeout expired", "503")


def check_what_is_not_offered(client: Client) -> None:
    """Shared memory, trace and log settings: 501, with a sentence."""
    for call in (
        client.get_system_shared_memory_status,
        partial(client.register_system_shared_memory, "a", "/a", 8),
        client.unregister_system_shared_memory,
        client.get_cuda_shared_memory_status,
        client.unregister_cuda_shared_memory,
        client.get_trace_settings,
        partial(client.update_trace_settings, settings={"trace_rate": "1"}),
        client.get_log_settings,
        partial(client.update_log_settings, {"log_info": True}),
    ):
        refused(call, "not offered", "501")
