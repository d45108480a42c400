"""How the client connects: one configuration in, a gRPC channel (blocking or asyncio) out.

Retries and load balancing are left to gRPC, which reads them from a service config. Deadlines are not put there but on
every call, where the server sees them.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from recognition_client.credentials import (
    AioStreamTokenInterceptor,
    AioUnaryTokenInterceptor,
    Credentials,
    TokenInterceptor,
)

MAX_MESSAGE_BYTES = 64 * 2**20
"""Largest message that is sent or accepted. What the server accepts is the server's business."""
MAX_ATTEMPTS = 5
"""gRPC makes no more attempts than this, whatever it is told."""
_CONNECT_SECONDS = 3.0
_PAUSE_SECONDS = 0.1
"""Before the second attempt; before each further one twice as long, up to ten times this, and less by chance."""
_TO_SEVERAL = ("dns:", "ipv4:", "ipv6:")
"""Targets that may have several replicas behind them. One that was named alone is asked whatever it says of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """Where the server is and how patiently it is asked.

    `target` is `HOST:PORT` or any gRPC target; `dns:///NAME:PORT` spreads the calls over all addresses of the name.
    """

    target: str
    timeout_seconds: float
    """From the call to its answer, all attempts included."""
    max_attempts: int
    """1 (no retry) to 5."""
    credentials: Credentials = field(default_factory=Credentials)

    def __post_init__(self) -> None:
        if not self.target or self.target.startswith(("http:", "https:")):
            raise ValueError(f"target is HOST:PORT, or a gRPC target such as dns:///NAME:PORT, and not {self.target!r}")
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise ValueError(f"max_attempts is 1 to {MAX_ATTEMPTS}, and not {self.max_attempts}")
        self.deadline(None)

    def deadline(self, timeout_seconds: float | None) -> float:
        """Seconds that a call gets: its own, or those of the configuration."""
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"timeout_seconds is a positive number, and not {seconds}")
        return seconds

    @property
    def options(self) -> list[tuple[str, Any]]:
        return [
            ("grpc.service_config", json.dumps(self._service_config)),
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            # A call that outgrows this buffer is not retried; the default of 256 KiB is smaller than a photograph.
            ("grpc.per_rpc_retry_buffer_size", MAX_MESSAGE_BYTES),
            # How long one attempt to connect may take, in spite of its name; the default is 20 s.
            ("grpc.min_reconnect_backoff_ms", int(_CONNECT_SECONDS * 1000)),
        ]

    @property
    def _service_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
        if self.target.startswith(_TO_SEVERAL) and (self.credentials.secure or self.credentials.token is None):
            # A replica that says NOT_SERVING, since it loads or is about to stop, is left out before it refuses calls.
            # It is asked by gRPC itself, which brings the token over TLS only; without, calls are retried elsewhere.
            config["healthCheckConfig"] = {"serviceName": ""}
        if self.max_attempts > 1:
            policy = {
                "maxAttempts": self.max_attempts,
                "initialBackoff": f"{_PAUSE_SECONDS}s",
                "maxBackoff": f"{10 * _PAUSE_SECONDS}s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            }
            config["methodConfig"] = [{"name": [{}], "retryPolicy": policy}]
            # Many failures in a row stop the retries, so that clients do not keep an overloaded server down.
            config["retryThrottling"] = {"maxTokens": 100, "tokenRatio": 0.1}
        return config


def open_channel(config: ChannelConfig) -> grpc.Channel:
    """Raises OSError where a PEM file cannot be read."""
    credentials = config.credentials
    if credentials.secure:
        return grpc.secure_channel(config.target, credentials.channel_credentials(), options=config.options)
    channel = grpc.insecure_channel(config.target, options=config.options)
    return channel if credentials.token is None else grpc.intercept_channel(channel, TokenInterceptor(credentials))


def open_aio_channel(config: ChannelConfig) -> grpc.aio.Channel:
    """To be called with a running event loop."""
    credentials = config.credentials
    if credentials.secure:
        return grpc.aio.secure_channel(config.target, credentials.channel_credentials(), options=config.options)
    interceptors = (
        []
        if credentials.token is None
        else [AioUnaryTokenInterceptor(credentials), AioStreamTokenInterceptor(credentials)]
    )
    return grpc.aio.insecure_channel(config.target, options=config.options, interceptors=interceptors)
