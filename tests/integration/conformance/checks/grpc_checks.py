"""tritonclient.grpc against a running service: the server, its models and streams, a row a function."""

import queue
from collections.abc import Callable  # noqa: TC003 - read by people
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import tritonclient.grpc as triton  # type: ignore[import-not-found] # only in its own environment
from tritonclient.grpc.auth import BasicAuth  # type: ignore[import-not-found] # the same

from tests.integration.conformance.checks.expectations import (
    PACKAGE,
    refused,
)
from tests.integration.conformance.checks.grpc_tensors import given, pixels

connect = triton.InferenceServerClient
Client: TypeAlias = Any


def check_channel_options(url: str) -> None:
    """Keep-alive options and channel arguments are borne."""
    keep_alive = triton.KeepAliveOptions(keepalive_time_ms=2**31 - 1, keepalive_timeout_ms=20_000)
    with connect(url, keepalive_options=keep_alive) as client:
        assert client.is_server_live()
    with connect(url, channel_args=[("grpc.max_receive_message_length", 2**31 - 1)]) as client:
        assert client.is_server_live()


def check_health(client: Client) -> None:
    """Live, ready; an unknown model or version is not ready, and that is no error."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(PACKAGE)
    assert client.is_model_ready(PACKAGE, "1")
    assert not client.is_model_ready(PACKAGE, "9")
    assert not client.is_model_ready("nobody")
    refused(partial(client.is_model_ready, PACKAGE, "-1"), "should be an integral value > 0", "INVALID_ARGUMENT")


def check_server_metadata(client: Client) -> None:
    """Name, version and only the extensions that are there."""
    metadata = client.get_server_metadata(as_json=True)
    assert metadata["name"] == "recognition"
    assert "classification" in metadata["extensions"]
    assert not [name for name in metadata["extensions"] if "shared_memory" in name or name in {"trace", "logging"}]


def check_model_metadata(client: Client) -> None:
    """A package shows one uint8 input and one output."""
    metadata = client.get_model_metadata(PACKAGE)
    assert metadata.platform == "onnxruntime_onnx"
    assert list(metadata.versions) == ["1"]
    assert [(item.name, item.datatype, list(item.shape)) for item in metadata.inputs] == [
        ("image", "UINT8", [-1, 8, 12, 1])
    ]
    assert [(item.name, item.datatype, list(item.shape)) for item in metadata.outputs] == [("logits", "FP32", [-1, 3])]
    refused(
        partial(client.get_model_metadata, "nobody"), "Request for unknown model: 'nobody' is not found", "NOT_FOUND"
    )


def check_model_config(client: Client) -> None:
    """Batch size, format and dims are those that a client may build on."""
    config = client.get_model_config(PACKAGE).config
    assert (config.max_batch_size, config.backend) == (64, "onnxruntime")
    assert list(config.input[0].dims) == [8, 12, 1]
    assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
    as_json = client.get_model_config(PACKAGE, as_json=True)["config"]
    assert as_json["input"][0]["format"] == "FORMAT_NHWC"
    assert as_json["output"][0]["data_type"] == "TYPE_FP32"


def check_repository_index(client: Client) -> None:
    """All versions with their states."""
    index = client.get_model_repository_index()
    assert {(model.name, model.version, model.state) for model in index.models} >= {(PACKAGE, "1", "READY")}


def check_load_and_unload(client: Client) -> None:
    """Only names of the repository, and nothing that a caller brings."""
    client.unload_model("total", unload_dependents=True)
    assert not client.is_model_ready("total")
    total = given("x", np.ones(3, dtype=np.float32), "FP32")
    refused(partial(client.infer, "total", [total]), "is not at ready state", "UNAVAILABLE")
    client.load_model("total")
    assert client.is_model_ready("total")
    refused(partial(client.load_model, "nobody"), "failed to load 'nobody'", "NOT_FOUND")
    refused(partial(client.load_model, "../total"), "failed to load '../total'", "NOT_FOUND")
    refused(partial(client.load_model, "total", config="{}"), "no config and no file", "INVALID_ARGUMENT")
    files = {"file:1/model.onnx": b"x"}
    refused(partial(client.load_model, "total", config="{}", files=files), "no config and no file", "INVALID_ARGUMENT")


def check_statistics(client: Client) -> None:
    """Requests, items, batches and where the time went."""
    before = client.get_inference_statistics(PACKAGE, "1").model_stats[0]
    client.infer(PACKAGE, [pixels(3)])
    after = client.get_inference_statistics(PACKAGE).model_stats[0]
    assert after.inference_count - before.inference_count == 3
    assert after.execution_count > before.execution_count
    assert after.inference_stats.success.count - before.inference_stats.success.count == 1
    assert after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns
    assert after.last_inference > 1_700_000_000_000
    assert sum(batch.compute_infer.count for batch in after.batch_stats) == after.execution_count
    assert len(client.get_inference_statistics().model_stats) > 1


def check_compression_is_refused(client: Client) -> None:
    """Compressed requests are UNIMPLEMENTED."""
    for algorithm in ("gzip", "deflate"):
        refused(partial(client.infer, PACKAGE, [pixels()], compression_algorithm=algorithm), "", "UNIMPLEMENTED")


def check_authorization_header(url: str) -> None:
    """A plugin that sets the authorization header does not disturb."""
    with connect(url) as client:
        client.register_plugin(BasicAuth("name", "word"))
        assert client.is_server_live()
        client.infer(PACKAGE, [pixels()])


def check_configured_for_triton(client: Client) -> None:
    """A directory with config.pbtxt: reshaped dims, format and labels as it says."""
    config = client.get_model_config("dense", as_json=True)["config"]
    assert config["input"][0]["format"] == "FORMAT_NCHW"
    assert config.get("max_batch_size", 0) == 0
    metadata = client.get_model_metadata("dense")
    assert list(metadata.inputs[0].shape) == [3, 2, 2]
    values = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    wanted = [triton.InferRequestedOutput("scores", class_count=2)]
    result = client.infer("dense", [given("image", values, "FP32")], outputs=wanted)
    assert result.as_numpy("scores").tolist() == [b"11.000000:11:l11", b"10.000000:10:l10"]
    one = given("image", values[np.newaxis], "FP32")
    best = client.infer("one_by_one", [one], outputs=wanted).as_numpy("scores")
    assert best.tolist() == [[b"11.000000:11:l11", b"10.000000:10:l10"]]
    assert client.infer("one_by_one", [one]).as_numpy("scores").shape == (1, 12)
    two = given("image", np.stack([values, values]), "FP32")
    refused(partial(client.infer, "one_by_one", [two]), "batch-size must be <= 1", "INVALID_ARGUMENT")


def check_what_is_not_offered(client: Client) -> None:
    """Shared memory, trace and log settings: UNIMPLEMENTED, with a sentence."""
    calls: tuple[Callable[[], object], ...] = (
        client.get_system_shared_memory_status,
        partial(client.register_system_shared_memory, "a", "/a", 8),
        client.unregister_system_shared_memory,
        client.get_cuda_shared_memory_status,
        partial(client.register_cuda_shared_memory, "a", b"", 0, 8),
        client.unregister_cuda_shared_memory,
        client.get_trace_settings,
        partial(client.update_trace_settings, settings={"trace_rate": "1"}),
        client.get_log_settings,
        partial(client.update_log_settings, {"log_info": True}),
    )
    for call in calls:
        refused(call, "", "UNIMPLEMENTED")
    tensor = triton.InferInput("image", [1, 8, 12, 1], "UINT8")
    tensor.set_shared_memory("region", 96)
    refused(partial(client.infer, PACKAGE, [tensor]), "shared memory is not offered", "UNIMPLEMENTED")


def check_stream(client: Client) -> None:
    """An error in a stream is an answer of its own; the stream goes on."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for place, model in enumerate((PACKAGE, "nobody", PACKAGE)):
        client.async_stream_infer(model, [pixels()], request_id=str(place))
    got = [answers.get(timeout=30) for _ in range(3)]
    client.stop_stream()
    errors = [error.message() for _, error in got if error is not None]
    assert len(errors) == 1
    assert "unknown model" in errors[0]
    responses = [result.get_response() for result, error in got if error is None]
    assert {response.id for response in responses} == {"0", "2"}
    assert all(response.parameters["triton_final_response"].bool_param for response in responses)


def check_stream_with_final_responses(client: Client) -> None:
    """The one reserved parameter that is allowed; each answer is the final one of its request."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    client.async_stream_infer(PACKAGE, [pixels()], enable_empty_final_response=True)
    result, error = answers.get(timeout=30)
    client.stop_stream()
    assert error is None
    assert result.get_response().parameters["triton_final_response"].bool_param
    assert answers.empty()


def check_stream_with_status(client: Client) -> None:
    """With the header `triton_grpc_error` an error is the status of the stream and ends it."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(
        callback=lambda result, error: answers.put((result, error)), headers={"triton_grpc_error": "true"}
    )
    client.async_stream_infer("nobody", [pixels()])
    _, error = answers.get(timeout=30)
    client.stop_stream()
    assert str(error.status()) == "StatusCode.NOT_FOUND", error
