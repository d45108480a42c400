"""tritonclient against a service that speaks TLS and asks for tokens: gRPC, its asyncio twin and HTTP."""

import asyncio
import os
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.grpc as triton  # type: ignore[import-not-found] # only in its own environment
import tritonclient.grpc.aio as triton_aio  # type: ignore[import-not-found] # the same
import tritonclient.http as triton_http  # type: ignore[import-not-found] # the same
from tritonclient.grpc.auth import BasicAuth  # type: ignore[import-not-found] # the same

from tests.integration.conformance.checks.expectations import PACKAGE, picture, refused

ROOT_FILE, TOKEN = os.environ.get("CHECK_ROOT_CERTIFICATE", ""), os.environ.get("CHECK_TOKEN", "")
HTTP_URL = os.environ.get("CHECK_HTTP_URL", "")
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def given(client: Any) -> Any:
    tensor = client.InferInput("image", [1, 8, 12, 1], "UINT8")
    tensor.set_data_from_numpy(np.stack([picture(1)]))
    return tensor


def check_grpc(url: str) -> None:
    """`ssl=True` with a root certificate; the token as a header of each call."""
    with triton.InferenceServerClient(url, ssl=True, root_certificates=ROOT_FILE) as client:
        refused(client.is_server_ready, "token", "UNAUTHENTICATED")
        assert client.is_server_ready(headers=HEADERS)
        result = client.infer(PACKAGE, [given(triton)], headers=HEADERS)
        assert int(result.as_numpy("logits").argmax()) == 1


def check_channel_credentials(url: str) -> None:
    """`creds` in place of `ssl`."""
    import grpc

    credentials = grpc.ssl_channel_credentials(Path(ROOT_FILE).read_bytes())
    with triton.InferenceServerClient(url, creds=credentials) as client:
        assert client.is_model_ready(PACKAGE, headers=HEADERS)


def check_aio(url: str) -> None:
    """The same with asyncio."""

    async def infer() -> Any:
        async with triton_aio.InferenceServerClient(url, ssl=True, root_certificates=ROOT_FILE) as client:
            return await client.infer(PACKAGE, [given(triton_aio)], headers=HEADERS)

    assert int(asyncio.run(infer()).as_numpy("logits").argmax()) == 1


def check_http(url: str) -> None:
    """`ssl=True` with a root certificate; HTTP takes the token as a password too."""
    import gevent.ssl  # type: ignore[import-untyped,unused-ignore] # comes with tritonclient

    def context() -> Any:
        return gevent.ssl.create_default_context(cafile=ROOT_FILE)

    with triton_http.InferenceServerClient(HTTP_URL, ssl=True, ssl_context_factory=context) as client:
        refused(client.get_server_metadata, "token")
        result = client.infer(PACKAGE, [given(triton_http)], headers=HEADERS)
        assert int(result.as_numpy("logits").argmax()) == 1
        client.register_plugin(BasicAuth("anybody", TOKEN))
        assert client.get_server_metadata()["name"] == "recognition"
