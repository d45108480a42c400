"""tritonclient.grpc against a running service: inference, a row a function."""

import queue
from functools import partial
from typing import Any, TypeAlias

import ml_dtypes  # type: ignore[import-untyped,unused-ignore] # comes with tritonclient
import numpy as np
import tritonclient.grpc as triton  # type: ignore[import-not-found] # only in its own environment
from tritonclient.grpc import service_pb2

from tests.integration.conformance.checks.expectations import (
    DATATYPES,
    LABELS,
    PACKAGE,
    images,
    refused,
    sample,
)
from tests.integration.conformance.checks.grpc_tensors import given, pixels

connect = triton.InferenceServerClient
Client: TypeAlias = Any


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
