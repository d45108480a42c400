"""The doors that speak HTTP: their ports are bound at once, and answered as soon as the libraries for it are imported.

That takes about as long as loading a model, and is done meanwhile; who connects earlier waits for so long.
"""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.config import Settings
from service.doors import Core
from service.tls import Certificates

if TYPE_CHECKING:
    from service.api.rest.metrics import ThreadedServer
    from service.api.rest.server import HttpServer


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpServers:
    """The one for metrics, in a thread of its own, and the one of the API where that is offered over HTTP."""

    metrics: "ThreadedServer"
    api: "HttpServer | None"


class HttpDoors:
    """Both of them; `start` once, then `stop_api` and `stop_metrics`."""

    def __init__(
        self, build: Callable[[], HttpServers], *, metrics: socket.socket, api: socket.socket | None = None
    ) -> None:
        """`build` is called in a thread; the sockets are those that the servers will answer."""
        self._build = build
        self._metrics = metrics
        self._api = api
        self.servers: HttpServers | None = None
        """Once they are built."""

    async def start(self) -> None:
        """Answers both ports."""
        self.servers = servers = await asyncio.to_thread(self._build)
        servers.metrics.start()
        if servers.api is not None:
            await servers.api.start()

    async def stop_api(self) -> None:
        """Closes the port of the API."""
        if self.servers is not None and self.servers.api is not None:
            await self.servers.api.stop()
        elif self._api is not None:
            self._api.close()

    async def stop_metrics(self) -> None:
        """Closes the port of the metrics."""
        if self.servers is not None:
            await asyncio.to_thread(self.servers.metrics.stop)
        else:
            self._metrics.close()


def build_http_servers(
    settings: Settings,
    core: Core,
    metrics: socket.socket,
    api: socket.socket | None,
    *,
    grpc_port: int,
    certificates: Certificates | None,
) -> HttpServers:
    """Behind these sockets; imports the libraries of HTTP."""
    return HttpServers(
        metrics=_metrics_server(core, metrics, certificates),
        api=None if api is None else _api_server(settings, core, api, grpc_port, certificates),
    )


def _api_server(
    settings: Settings, core: Core, listener: socket.socket, grpc_port: int, certificates: Certificates | None
) -> "HttpServer":
    from service.api.auth.http_gate import HttpGate
    from service.api.oip.rest.router import open_inference_router
    from service.api.rest.app import build_app, refusal_at
    from service.api.rest.server import HttpServer
    from service.api.rest.uploads import UploadLimits, UploadReader

    uploads = UploadReader(
        UploadLimits(
            max_image_bytes=settings.max_image_bytes,
            max_images=settings.max_request_images,
            max_body_bytes=settings.max_message_bytes,
            seconds=settings.default_deadline_seconds,
        )
    )
    app = build_app(
        calls=core.calls,
        recogniser=core.recogniser,
        registry=core.registry,
        metrics=core.metrics,
        health=core.status,
        uploads=uploads,
        grpc_port=grpc_port,
        asks_for_token=core.access.asks,
        routers=[open_inference_router(core.open_inference, calls=core.calls, uploads=uploads)],
    )
    gate = HttpGate(app, access=core.access, calls=core.calls, refusal=refusal_at)
    return HttpServer(
        gate,
        listener,
        tls=None if certificates is None else certificates.for_http(),
        max_header_bytes=settings.max_metadata_bytes,
    )


def _metrics_server(core: Core, listener: socket.socket, certificates: Certificates | None) -> "ThreadedServer":
    from service.api.rest.metrics import ThreadedServer, build_metrics_app

    app = build_metrics_app(core.metrics.registry, core.status, access=core.access, calls=core.calls)
    return ThreadedServer(app, listener, tls=None if certificates is None else certificates.for_metrics())
