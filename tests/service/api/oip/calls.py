"""Requests for the gRPC door of the protocol, and what is said of one that is refused."""

from collections.abc import Awaitable
from typing import Any

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from recognition.oip import open_inference_pb2 as pb

from tests.service.packages import picture

Input = pb.ModelInferRequest.InferInputTensor


def infer_request(model: str = "thirds", *, images: int = 1, **fields: Any) -> pb.ModelInferRequest:
    pixels = np.stack([picture(place % 3) for place in range(images)])
    tensor = Input(name="image", datatype="UINT8", shape=[images, 8, 12, 1])
    return pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[pixels.tobytes()], **fields)


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, str]:
    """Code, text and reason."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type] # the stubs know the blocking calls only
    info = error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return raised.value.code(), raised.value.details() or "", info.reason
