"""What the client shows the server, and what it wants to see: a token, TLS, and a certificate of its own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio

Pem: TypeAlias = bytes | str | Path
"""The content of a PEM file, or its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Without TLS a token travels readable: on this machine, or where a mesh encrypts."""

    token: str | None = field(default=None, repr=False)
    """As `recognition-serve token new` printed it."""
    tls: bool = False
    """Whether the server speaks TLS; the other two fields turn it on too."""
    root_certificates: Pem | None = None
    """Whom the server's certificate must come from; left out: those that gRPC knows."""
    client_certificate: tuple[Pem, Pem] | None = field(default=None, repr=False)
    """Certificate and key, for servers that want one (mutual TLS)."""

    def __post_init__(self) -> None:
        if self.token is not None and (not self.token.isascii() or not self.token.isprintable() or " " in self.token):
            raise ValueError("token is one word of printable ASCII characters")

    @property
    def secure(self) -> bool:
        return self.tls or self.root_certificates is not None or self.client_certificate is not None

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Of a secure channel; the token goes with every call, gRPC's own health checks included. Raises OSError."""
        certificate, key = self.client_certificate or (None, None)
        channel = grpc.ssl_channel_credentials(
            root_certificates=_content(self.root_certificates),
            private_key=_content(key),
            certificate_chain=_content(certificate),
        )
        if self.token is None:
            return channel
        return grpc.composite_channel_credentials(channel, grpc.access_token_call_credentials(self.token))

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """For every call over a channel that is not secure, where gRPC sends no token by itself."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)


class TokenInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds metadata to each call of a blocking channel."""

    def __init__(self, credentials: Credentials) -> None:
        self._metadata = credentials.metadata

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return continuation(_with(client_call_details, self._metadata), request)

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return continuation(_with(client_call_details, self._metadata), request_iterator)


class AioUnaryTokenInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """The same for asyncio, whose channels take one interceptor for each kind of call."""

    def __init__(self, credentials: Credentials) -> None:
        self._metadata = credentials.metadata

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(_with(client_call_details, self._metadata), request)


class AioStreamTokenInterceptor(grpc.aio.StreamStreamClientInterceptor):
    """For streams."""

    def __init__(self, credentials: Credentials) -> None:
        self._metadata = credentials.metadata

    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(_with(client_call_details, self._metadata), request_iterator)


def _with(details: Any, metadata: tuple[tuple[str, str], ...]) -> Any:
    return details._replace(metadata=(*(details.metadata or ()), *metadata))


def _content(pem: Pem | None) -> bytes | None:
    return pem if pem is None or isinstance(pem, bytes) else Path(pem).read_bytes()
