"""The ports of the service, bound before anything is loaded, so that a busy one is known at once."""

import socket
from contextlib import ExitStack
from dataclasses import dataclass

import grpc

from service.config import Settings


class StartRefused(Exception):
    """The service does not start; the text says why."""


def bind_grpc(server: grpc.aio.Server, settings: Settings, credentials: grpc.ServerCredentials | None) -> int:
    """The port, which matters where 0 was asked for. Raises StartRefused."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        address = f"{host}:{settings.grpc_port}"
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise _cannot_bind(settings.host, settings.grpc_port, "--grpc-port") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Bound and listening; None for a door that is not wanted."""

    metrics: socket.socket
    http: socket.socket | None
    fast_grpc: socket.socket | None


def listen_beside(settings: Settings) -> Sockets:
    """For all doors but the gRPC server's own. Raises StartRefused, and nothing is left open then."""
    with ExitStack() as opened:

        def socket_at(port: int | None, option: str, or_else: str = "") -> socket.socket | None:
            return None if port is None else opened.enter_context(_listen(settings.host, port, option, or_else))

        sockets = Sockets(
            metrics=opened.enter_context(_listen(settings.host, settings.metrics_port, "--metrics-port")),
            http=socket_at(settings.http_port if settings.http else None, "--http-port", " (or --no-http)"),
            fast_grpc=socket_at(settings.fast_grpc_port, "--fast-grpc-port"),
        )
        opened.pop_all()
    return sockets


def port_of(listener: socket.socket | None) -> int | None:
    return None if listener is None else int(listener.getsockname()[1])


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; port 0 picks a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    listener.setblocking(False)
    # Connections inherit it. asyncio sets it on them too, but not where the listener came from `create_server`; without
    # it every answer waits 40 ms for the acknowledgement of its headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _listen(host: str, port: int, option: str, or_else: str = "") -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise _cannot_bind(host, port, option, or_else) from error


def _cannot_bind(host: str, port: int, option: str, or_else: str = "") -> StartRefused:
    return StartRefused(
        f"port {port} on {host} cannot be bound: another server is running there, or {host} is no address of this "
        f"machine. Choose others with {option}{or_else} and --host."
    )
