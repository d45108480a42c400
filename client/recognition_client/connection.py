"""The connection of the blocking client: one channel, its stubs, and how a call is made over it."""

from typing import TypeVar

import grpc
from grpc_health.v1 import health_pb2
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub

from recognition_client.channel import ChannelConfig, open_channel
from recognition_client.errors import error_of_call
from recognition_client.hedging import Hedging
from recognition_client.requests import HEALTH_CHECK

Request = TypeVar("Request")
Response = TypeVar("Response")


class Connection:
    """Connects with the first call."""

    def __init__(self, config: ChannelConfig, *, hedge_after_seconds: float | None) -> None:
        self.config = config
        self._hedging = None if hedge_after_seconds is None else Hedging(hedge_after_seconds)
        self._channel = open_channel(config)
        self.stub = RecognitionServiceStub(self._channel)
        self.check_health: grpc.UnaryUnaryMultiCallable[
            health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
        ] = self._channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )

    def close(self) -> None:
        self._channel.close()

    def call(
        self,
        method: "grpc.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_seconds: float | None,
    ) -> Response:
        """Raises RecognitionError."""
        seconds = self.config.deadline(timeout_seconds)
        try:
            if self._hedging is None:
                return method(request, timeout=seconds)
            return self._hedging.call(lambda left: method.future(request, timeout=left), timeout_seconds=seconds)
        except grpc.RpcError as error:
            raise error_of_call(error, target=self.config.target) from error
