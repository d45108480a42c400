"""The connection of the asyncio client: one channel, its stubs, and how a call is made over it."""

from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from recognition_client.channel import ChannelConfig, open_aio_channel
from recognition_client.errors import error_of_call
from recognition_client.hedging import Hedging
from recognition_client.requests import HEALTH_CHECK

if TYPE_CHECKING:
    from recognition.v1.recognition_pb2_grpc import RecognitionServiceAsyncStub  # only the type stubs have it

Request = TypeVar("Request")
Response = TypeVar("Response")


class AioConnection:
    """It may be made before the loop runs; the channel belongs to the loop of the first call."""

    def __init__(self, config: ChannelConfig, *, hedge_after_seconds: float | None) -> None:
        self.config = config
        self._hedging = None if hedge_after_seconds is None else Hedging(hedge_after_seconds)

    @cached_property
    def _channel(self) -> grpc.aio.Channel:
        return open_aio_channel(self.config)

    @cached_property
    def stub(self) -> "RecognitionServiceAsyncStub":
        return RecognitionServiceStub(self._channel)

    @cached_property
    def check_health(
        self,
    ) -> grpc.aio.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]:
        return self._channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    async def close(self) -> None:
        await self._channel.close()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_seconds: float | None,
    ) -> Response:
        """Raises RecognitionError."""
        seconds = self.config.deadline(timeout_seconds)
        try:
            if self._hedging is None:
                return await method(request, timeout=seconds)
            return await self._hedging.call_async(lambda left: method(request, timeout=left), timeout_seconds=seconds)
        except grpc.RpcError as error:
            raise error_of_call(error, target=self.config.target) from error
