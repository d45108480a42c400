"""tritonclient.grpc.aio against a running service: each function is one row of what its callers rely on."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import tritonclient.grpc.aio as triton  # type: ignore[import-not-found] # only in its own environment
from tritonclient.grpc.aio.auth import BasicAuth  # type: ignore[import-not-found] # the same

from tests.integration.conformance.checks.expectations import PACKAGE, images, picture, refused_async

connect = triton.InferenceServerClient
Client: TypeAlias = Any


def given(name: str, values: Any, datatype: str) -> Any:
    tensor = triton.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    return tensor


def pixels(count: int = 1) -> Any:
    return given("image", np.stack([picture(place % 3) for place in range(count)]), "UINT8")


async def check_health(client: Client) -> None:
    """Live, ready; an unknown model is not ready, and that is no error."""
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready(PACKAGE, "1")
    assert not await client.is_model_ready("nobody")


async def check_descriptions(client: Client) -> None:
    """Metadata, configuration, index and statistics."""
    assert (await client.get_server_metadata()).name == "recognition"
    assert (await client.get_model_metadata(PACKAGE)).inputs[0].datatype == "UINT8"
    assert (await client.get_model_config(PACKAGE)).config.max_batch_size == 64
    assert PACKAGE in {model.name for model in (await client.get_model_repository_index()).models}
    assert (await client.get_inference_statistics(PACKAGE)).model_stats[0].name == PACKAGE


async def check_load_and_unload(client: Client) -> None:
    """By name of the repository."""
    await client.unload_model("total")
    assert not await client.is_model_ready("total")
    await client.load_model("total")
    assert await client.is_model_ready("total")


async def check_many_at_once(client: Client) -> None:
    """Fifty requests side by side; each gets its own answer."""

    async def ask(place: int) -> None:
        tensor = given("image", picture(place % 3)[np.newaxis], "UINT8")
        result = await client.infer(PACKAGE, [tensor], request_id=str(place), priority=2, timeout=10_000_000)
        assert result.get_response().id == str(place)
        assert int(result.as_numpy("logits").argmax()) == place % 3

    await asyncio.gather(*(ask(place) for place in range(50)))


async def check_plain_model_at_once(client: Client) -> None:
    """Requests of several sizes for a plain model travel together and come back apart."""

    async def ask(place: int) -> None:
        a = np.full((place % 5 + 1, 2), place, dtype=np.float32)
        result = await client.infer("pair", [given("a", a, "FP32"), given("b", a, "FP32")])
        assert np.array_equal(result.as_numpy("sum"), a + a)

    await asyncio.gather(*(ask(place) for place in range(50)))


async def check_encoded_images(client: Client) -> None:
    """One bad image among 64 has its error to itself."""
    batch = images(64)
    batch[40] = b"\xff\xd8\xff broken"
    wanted = [triton.InferRequestedOutput("logits"), triton.InferRequestedOutput("error")]
    result = await client.infer(PACKAGE, [given("image", batch, "BYTES")], outputs=wanted)
    assert [place for place, text in enumerate(result.as_numpy("error")) if text] == [40]


async def check_errors(client: Client) -> None:
    """Codes and texts of the protocol; compression and shared memory are not offered."""
    await refused_async(
        partial(client.infer, "nobody", [pixels()]), "Request for unknown model: 'nobody' is not found", "NOT_FOUND"
    )
    await refused_async(partial(client.infer, PACKAGE, [pixels()], compression_algorithm="gzip"), "", "UNIMPLEMENTED")
    await refused_async(client.get_system_shared_memory_status, "not offered", "UNIMPLEMENTED")
    await refused_async(client.get_log_settings, "", "UNIMPLEMENTED")


async def check_authorization_header(client: Client) -> None:
    """A plugin that sets the authorization header does not disturb."""
    client.register_plugin(BasicAuth("name", "word"))
    assert await client.is_server_live()


async def check_stream(client: Client) -> None:
    """An error in a stream is an answer of its own; the stream goes on."""

    async def requests() -> AsyncIterator[dict[str, Any]]:
        for place, model in enumerate((PACKAGE, "nobody", PACKAGE)):
            yield {"model_name": model, "inputs": [pixels()], "request_id": str(place)}

    got = [answer async for answer in client.stream_infer(requests())]
    assert sorted(error is None for _, error in got) == [False, True, True]
    assert {result.get_response().id for result, error in got if error is None} == {"0", "2"}


async def check_cancelled_call(client: Client) -> None:
    """A caller that goes away leaves the others answered."""
    gone = asyncio.ensure_future(client.infer(PACKAGE, [pixels(8)]))
    await asyncio.sleep(0)
    gone.cancel()
    result = await client.infer(PACKAGE, [pixels(2)])
    assert list(result.as_numpy("logits").argmax(axis=1)) == [0, 1]
