"""The port of metrics and probes: an application and a thread of its own, so that it answers under any load.

`/metrics` asks for a token that may read them. `/livez` and `/readyz` are open here, and tell one word each: this port
is for the operator's side of the network, and a kubelet can bring neither a token nor a certificate.
"""

import asyncio
import socket
import ssl
import threading

from prometheus_client import CollectorRegistry, make_asgi_app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.auth.access import Access
from service.api.auth.callers import current_caller
from service.api.auth.http_gate import HttpGate
from service.api.calls import Calls
from service.api.health import Health
from service.api.rest.errors import refusal
from service.api.rest.server import uvicorn_server
from service.errors import NotPermitted

PROBES = frozenset({"/livez", "/readyz"})
STOP_SECONDS = 5.0


def build_metrics_app(registry: CollectorRegistry, health: Health, *, access: Access, calls: Calls) -> ASGIApp:
    """Answers `/metrics` (and `/`, where some scrapers look) and the probes."""

    async def live(_: Request) -> JSONResponse:
        return JSONResponse({"status": "SERVING"})

    async def ready(_: Request) -> JSONResponse:
        return JSONResponse(*(({"status": "SERVING"}, 200) if health.ready else ({"status": "NOT_SERVING"}, 503)))

    exposed = _ForReaders(make_asgi_app(registry), calls)
    routes = [Route("/livez", live), Route("/readyz", ready), Route("/metrics", exposed), Route("/", exposed)]
    return HttpGate(
        Starlette(routes=routes),
        access=access,
        calls=calls,
        refusal=lambda _path, status: refusal(status),
        open_paths=PROBES,
    )


class _ForReaders:
    """Lets those callers through that may read the metrics."""

    def __init__(self, app: ASGIApp, calls: Calls) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            current_caller.get().check_metrics()
        except NotPermitted as error:
            await refusal(self._calls.turn_away("HTTP", error))(scope, receive, send)
            return
        await self._app(scope, receive, send)


class ThreadedServer:
    """An application behind a listening socket, in its own thread with its own event loop."""

    def __init__(self, app: ASGIApp, listener: socket.socket, *, tls: ssl.SSLContext | None = None) -> None:
        self._server = uvicorn_server(app, tls)
        self._listener = listener
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[listener])), name="metrics", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the port is closed, whether it was ever started or not."""
        self._server.end()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        self._listener.close()
