"""tritonclient.grpc against a running service: each function is one row of what its callers rely on."""

import queue
from collections.abc import Callable  # noqa: TC003 - read by people
from functools import partial
from typing import Any, TypeAlias

import ml_dtypes  # type: ignore[import-untyped,unused-ignore] # comes with tritonclient
import numpy as np
import tritonclient.grpc as triton  # type: ignore[import-not-found] # only in its own environment
from tritonclient.grpc import service_pb2
from tritonclient.grpc.auth import BasicAuth  # type: ignore[import-not-found] # the same

from tests.integration.conformance.checks.expectations import (
    DATATYPES,
    LABELS,
    PACKAGE,
    images,
    picture,
    refused,
    sample,
)

connect = triton.InferenceServerClient
Client: TypeAlias = Any


def given(name: str, values: Any, datatype: str) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def pixels(count: int = 1) -> Any:
    return given("image", np.stack([picture(place % 3) for place in range(count)]), "UINT8")


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


def check_infer(client: Client) -> None:
    """Id, parameters of every type, priority, timeout and headers are taken; the version that answered is named."""
    result = client.infer(
        PACKAGE,
        [pixels()],
        request_id="mine",
        priority=1,
        timeout=10_000_000,
        client_timeout=30.0,
        headers={"x-request": "1"},
        parameters={"text": "a", "yes": True, "number": 3, "half": 0.5},
    )
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("mine", PACKAGE, "1")
    assert result.as_numpy("logits").shape == (1, 3)
    assert int(result.as_numpy("logits").argmax()) == 0


def check_parameters_that_mean_nothing_here(client: Client) -> None:
    """Sequences and correlation ids: taken, since a model without state answers them like any other."""
    result = client.infer(PACKAGE, [pixels()], sequence_id=7, sequence_start=True, sequence_end=True)
    assert int(result.as_numpy("logits").argmax()) == 0


def check_precision(client: Client) -> None:
    """A parameter of ours: the variant that shall answer."""
    named = client.infer(PACKAGE, [pixels()], parameters={"precision": "fp32"}).as_numpy("logits")
    assert np.array_equal(named, client.infer(PACKAGE, [pixels()]).as_numpy("logits"))
    refused(partial(client.infer, PACKAGE, [pixels()], parameters={"precision": "int8"}), "int8", "NOT_FOUND")
    refused(partial(client.infer, PACKAGE, [pixels()], parameters={"precision": "x"}), "fp32", "INVALID_ARGUMENT")


def check_timeout(client: Client) -> None:
    """A timeout that cannot be kept is UNAVAILABLE, before anything is computed."""
    refused(partial(client.infer, PACKAGE, [pixels()], timeout=1), "Request timeout expired", "UNAVAILABLE")


def check_async_infer(client: Client) -> None:
    """Callbacks get the result, or the error."""
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()

    def note(result: Any, error: Any) -> None:
        answers.put((result, error))

    client.async_infer(PACKAGE, [pixels(2)], note)
    result, error = answers.get(timeout=30)
    assert error is None
    assert list(result.as_numpy("logits").argmax(axis=1)) == [0, 1]
    client.async_infer("nobody", [pixels()], note)
    result, error = answers.get(timeout=30)
    assert result is None
    assert "unknown model" in error.message()


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


def check_datatypes(client: Client) -> None:
    """Every type comes back as it went, element for element."""
    for datatype in DATATYPES:
        values = sample(datatype)
        result = client.infer(f"identity_{datatype.lower()}", [given("x", values, datatype)])
        assert result.get_response().raw_output_contents
        assert np.array_equal(result.as_numpy("y"), values), datatype


def check_bfloat16(client: Client) -> None:
    """BF16, which NumPy itself has not."""
    values = np.array([[1.0, -2.5, 0.0]], dtype=ml_dtypes.bfloat16)
    result = client.infer("identity_bf16", [given("x", values, "BF16")])
    assert np.array_equal(result.as_numpy("y"), values)


def check_typed_contents(url: str) -> None:
    """Elements may come in the typed fields; mixed with raw ones, wrong or missing they are refused by name."""
    import grpc
    from tritonclient.grpc import service_pb2_grpc

    with grpc.insecure_channel(url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

        def request(raw: bytes = b"", **contents: list[Any]) -> Any:
            tensor = service_pb2.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, 3])
            if contents:
                tensor.contents.CopyFrom(service_pb2.InferTensorContents(**contents))
            return service_pb2.ModelInferRequest(
                model_name="identity_fp32", inputs=[tensor], raw_input_contents=[raw] if raw else []
            )

        def text(message: Any) -> str:
            """What the refused call says; `future` gives the error instead of raising it."""
            error = stub.ModelInfer.future(message).exception()
            assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
            return str(error.details())

        answer = stub.ModelInfer(request(fp32_contents=[1.0, 2.0, 3.0]))
        assert np.frombuffer(answer.raw_output_contents[0], dtype=np.float32).tolist() == [1.0, 2.0, 3.0]
        assert "contents field must not be specified when using raw_input_contents for 'x'" in text(
            request(b"\0" * 12, fp32_contents=[1.0])
        )
        assert "unable to find data for input tensor 'x' for model 'identity_fp32'" in text(request())
        assert "unexpected explicit tensor data for input tensor 'x'" in text(request(int_contents=[1, 2, 3]))
        assert "input byte size mismatch for input 'x' for model 'identity_fp32'. Expected 12, got 8" in text(
            request(b"\0" * 8)
        )


def check_several_inputs_and_outputs(client: Client) -> None:
    """Inputs in any order; outputs in the order that was asked for."""
    a, b = np.array([[3.0, 1.0]], dtype=np.float32), np.array([[1.0, 1.0]], dtype=np.float32)
    inputs = [given("b", b, "FP32"), given("a", a, "FP32")]
    outputs = [triton.InferRequestedOutput("difference"), triton.InferRequestedOutput("sum")]
    result = client.infer("pair", inputs, outputs=outputs)
    assert [output.name for output in result.get_response().outputs] == ["difference", "sum"]
    assert np.array_equal(result.as_numpy("difference"), a - b)
    assert np.array_equal(result.as_numpy("sum"), a + b)


def check_request_errors(client: Client) -> None:
    """Each mistake is named in the protocol's words."""
    one = given("x", np.zeros((1, 3), dtype=np.float32), "FP32")
    wide = given("x", np.zeros((1, 4), dtype=np.float32), "FP32")
    whole = given("x", np.zeros((1, 3), dtype=np.int32), "INT32")
    other = given("z", np.zeros((1, 3), dtype=np.float32), "FP32")
    many = given("x", np.zeros((65, 3), dtype=np.float32), "FP32")
    model = "identity_fp32"
    wanted = [triton.InferRequestedOutput("z")]
    for call, text in (
        (
            partial(client.infer, model, [wide]),
            "unexpected shape for input 'x' for model 'identity_fp32'. Expected [-1,3], got [1,4]",
        ),
        (
            partial(client.infer, model, [whole]),
            "inference input 'x' data-type is 'INT32', but model 'identity_fp32' expects 'FP32'",
        ),
        (partial(client.infer, model, [other]), "unexpected inference input 'z' for model 'identity_fp32'"),
        (partial(client.infer, model, []), "expected 1 inputs but got 0 inputs for model 'identity_fp32'"),
        (partial(client.infer, model, [many]), "inference request batch-size must be <= 64 for 'identity_fp32'"),
        (
            partial(client.infer, model, [one], outputs=wanted),
            "unexpected inference output 'z' for model 'identity_fp32'",
        ),
        (partial(client.infer, model, [one], model_version="x"), "version should be an integral value > 0"),
    ):
        refused(call, text, "INVALID_ARGUMENT")
    refused(partial(client.infer, model, [one], model_version="7"), "version 7 is not found", "NOT_FOUND")


def check_classification(client: Client) -> None:
    """`value:index:label`, best first, six decimals; for half precision too."""
    wanted = [triton.InferRequestedOutput("logits", class_count=2)]
    best = client.infer(PACKAGE, [pixels(2)], outputs=wanted).as_numpy("logits")
    assert best.shape == (2, 2)
    value, index, label = best[1][0].decode().split(":", 2)
    assert (index, label) == ("1", LABELS[1])
    assert len(value.partition(".")[2]) == 6
    all_of_them = [triton.InferRequestedOutput("logits", class_count=1000)]
    assert client.infer(PACKAGE, [pixels(2)], outputs=all_of_them).as_numpy("logits").shape == (2, len(LABELS))
    wanted = [triton.InferRequestedOutput("y", class_count=9)]
    for datatype, texts in (
        ("FP16", [b"0.500000:1:b", b"0.000000:2:c", b"-1.000000:0:a"]),
        ("INT8", [b"3:1:b", b"0:2:c", b"-1:0:a"]),
        ("UINT64", [b"3:1:b", b"1:0:a", b"0:2:c"]),
    ):
        numbers = {"FP16": [-1, 0.5, 0], "INT8": [-1, 3, 0], "UINT64": [1, 3, 0]}[datatype]
        values: Any = np.array([numbers], dtype=DATATYPES[datatype])
        result = client.infer(f"identity_{datatype.lower()}", [given("x", values, datatype)], outputs=wanted)
        assert result.as_numpy("y").tolist() == [texts], datatype
    text = given("x", sample("BYTES"), "BYTES")
    refused(
        partial(client.infer, "identity_bytes", [text], outputs=wanted),
        "class result not available for output 'y' due to unsupported type 'BYTES'",
        "INVALID_ARGUMENT",
    )


def check_encoded_images(client: Client) -> None:
    """BYTES `[N]` of image files in place of the uint8 tensor gives the same numbers."""
    encoded = client.infer(PACKAGE, [given("image", images(6), "BYTES")]).as_numpy("logits")
    assert np.allclose(encoded, client.infer(PACKAGE, [pixels(6)]).as_numpy("logits"), atol=1e-5)


def check_one_bad_image_among_64(client: Client) -> None:
    """It fails the request and is named by its place, or, where `error` is asked for, has its error to itself."""
    batch = images(64)
    batch[17] = b"this is no image"
    bad = given("image", batch, "BYTES")
    refused(partial(client.infer, PACKAGE, [bad]), "Image 17 of 64", "INVALID_ARGUMENT")
    wanted = [triton.InferRequestedOutput("logits"), triton.InferRequestedOutput("error")]
    result = client.infer(PACKAGE, [bad], outputs=wanted)
    errors = [text.decode() for text in result.as_numpy("error")]
    assert [place for place, text in enumerate(errors) if text] == [17]
    assert errors[17].startswith("IMAGE_UNREADABLE: ")
    logits = result.as_numpy("logits")
    assert np.isnan(logits[17]).all()
    good = [place for place in range(64) if place != 17]
    assert logits[good].argmax(axis=1).tolist() == [place % 3 for place in good]
    wanted[0] = triton.InferRequestedOutput("logits", class_count=1)
    best = client.infer(PACKAGE, [bad], outputs=wanted).as_numpy("logits")
    assert best[17].tolist() == [b""]
    assert best[16][0].decode().split(":", 2)[2] == LABELS[1]


def check_outputs_on_request(client: Client) -> None:
    """The embedding is given where it is asked for."""
    result = client.infer(PACKAGE, [pixels(2)], outputs=[triton.InferRequestedOutput("embedding")])
    assert result.as_numpy("embedding").shape == (2, 3)
    assert result.as_numpy("logits") is None


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
