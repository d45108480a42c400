"""The ports of the service, bound before anything is loaded, so that a busy one is known at once."""

import socket

import grpc

from service.api.rest.server import listen
from service.config import Settings
from service.metrics import Metrics


class StartRefused(Exception):
    """The service does not start; the text says why."""


def bind_grpc(server: grpc.aio.Server, settings: Settings) -> int:
    """The port, which matters where 0 was asked for. Raises StartRefused."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        return server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError as error:
        raise _cannot_bind(settings.host, settings.grpc_port, "--grpc-port") from error


def listen_http(settings: Settings) -> socket.socket:
    """Raises StartRefused."""
    try:
        return listen(settings.host, settings.http_port)
    except OSError as error:
        raise _cannot_bind(settings.host, settings.http_port, "--http-port", " (or --no-http)") from error


def serve_metrics(metrics: Metrics, settings: Settings) -> int:
    """The port, which matters where 0 was asked for. Raises StartRefused."""
    try:
        return metrics.serve(settings.host, settings.metrics_port)
    except OSError as error:
        raise _cannot_bind(settings.host, settings.metrics_port, "--metrics-port") from error


def _cannot_bind(host: str, port: int, option: str, or_else: str = "") -> StartRefused:
    return StartRefused(
        f"port {port} on {host} cannot be bound: another server is running there, or {host} is no address of this "
        f"machine. Choose others with {option}{or_else} and --host."
    )
