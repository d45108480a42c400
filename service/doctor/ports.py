"""The doctor on the network: the ports to listen on, and the collector that traces go to."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

from service.config import Settings
from service.doctor.finding import Finding, failure, warning, well
from service.ports import listen
from service.tracing import TracesUnavailable, build_tracing

CONNECT_SECONDS = 2
GRPC_PORT = 443
"""Where gRPC connects when a URL names no port."""


def look_at_ports(settings: Settings) -> Iterator[Finding]:
    """All at once, as a start does: two settings with the same number are found too."""
    ports = {"grpc_port": settings.grpc_port, "metrics_port": settings.metrics_port}
    if settings.fast_grpc_port is not None:
        ports["fast_grpc_port"] = settings.fast_grpc_port
    if settings.http:
        ports["http_port"] = settings.http_port
    with ExitStack() as held:
        for name, port in ports.items():
            option = f"--{name.replace('_', '-')}"
            try:
                server = held.enter_context(closing(listen(settings.host, port)))
                yield well(name, f"{server.getsockname()[1]} on {settings.host} is free")
            except OSError as error:
                saw = f"{port} on {settings.host} cannot be bound: {error.strerror}"
                yield failure(name, saw, f"Stop what listens there, or choose others with {option} and --host.")


def look_at_traces(settings: Settings) -> Iterator[Finding]:
    """A collector that is away harms no call, so it is a warning."""
    endpoint = settings.traces_endpoint
    if not endpoint:
        return
    try:
        build_tracing(endpoint, share=settings.traces_share, version="")
        place = urlsplit(endpoint)
        with socket.create_connection((place.hostname or "", place.port or GRPC_PORT), timeout=CONNECT_SECONDS):
            yield well("traces", f"{endpoint} can be reached")
    except (TracesUnavailable, ValueError) as error:
        yield failure("traces", str(error), "Set traces_endpoint to that, or leave it out.")
    except OSError as error:
        saw = f"{endpoint} cannot be reached: {error.strerror or error}"
        yield warning("traces", saw, "Start the collector, or leave traces_endpoint out; calls are answered anyway.")
