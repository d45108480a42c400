"""The life of the server: load → start → serve → drain → stop.

On SIGTERM (or Ctrl-C) the health checks turn NOT_SERVING at once, calls are still taken for the drain period so that
balancers notice, then the door closes, what was accepted is finished, and the models are released last. A second
signal skips the drain period.
"""

import asyncio
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import structlog

from service.api.door import Door
from service.api.health import Health
from service.http_doors import HttpDoors
from service.metrics import Metrics
from service.models.registry import Registry
from service.upkeep import Upkeep

if TYPE_CHECKING:
    from service.http2.server import Http2Server

ABANDON_SECONDS = 1.0
LAST_SECONDS = 1.0
"""What the port's closing may take once the door is empty."""
RELEASE_SECONDS = 10.0
"""What the models may take to come to rest; nobody waits for them then, unless a batch hangs."""

log = structlog.get_logger("service.server")


class DeviceFailed(Exception):
    """The process must end, and may not wait for its threads: the text says what the device said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long the steps of a shutdown take."""

    drain_seconds: float
    grace_seconds: float


class Server:
    """The gRPC and HTTP servers with their models.

    `run` returns when it was told to stop and everything accepted was answered.
    """

    def __init__(
        self,
        grpc_server: grpc.aio.Server,
        http: HttpDoors,
        fast_grpc_server: "Http2Server | None" = None,
        *,
        registry: Registry,
        health: Health,
        door: Door,
        metrics: Metrics,
        lifetime: Lifetime,
        upkeep: Upkeep,
    ) -> None:
        self._grpc_server = grpc_server
        self._http = http
        self._fast_grpc_server = fast_grpc_server
        self._registry = registry
        self._health = health
        self._door = door
        self._metrics = metrics
        self._lifetime = lifetime
        self._upkeep = upkeep
        self._at_work: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    def request_stop(self) -> None:
        """What a signal does: the first begins the shutdown, the second skips the drain period."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self) -> None:
        """Raises what stood in the way of the start, such as PackageRefused; the ports are closed again then."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)
        if hasattr(signal, "SIGHUP"):
            loop.add_signal_handler(signal.SIGHUP, self._upkeep.reloader.ask)
        try:
            await self.start()
        except Exception:
            await self._close_ports(seconds=None)
            await self._http.stop_metrics()
            raise
        await self._until_stopped()
        if self._upkeep.guard.lost.is_set():
            await self.abandon()
            raise DeviceFailed(f"the device has failed: {self._upkeep.guard.reason}")
        await self.shut_down()

    async def _until_stopped(self) -> None:
        ends = [asyncio.create_task(event.wait()) for event in (self._stop, self._upkeep.guard.lost)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    async def start(self) -> None:
        """Opens the door, loads the models and says so. While they load, calls are told MODEL_NOT_READY."""
        await self._health.begin()
        await self._grpc_server.start()
        if self._fast_grpc_server is not None:
            await self._fast_grpc_server.start()
        await self._upkeep.reloader.prime()
        loading = asyncio.create_task(self._registry.start())
        try:
            await self._http.start()
        except BaseException:
            loading.cancel()
            raise
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if loading.done():
            loading.result()
            await self._health.announce_ready()
            self._at_work = [
                asyncio.create_task(work.run(), name=type(work).__name__)
                for work in (self._upkeep.reloader, self._upkeep.golden_watch, self._upkeep.readiness)
            ]
            log.info("ready")
        else:
            loading.cancel()

    async def shut_down(self) -> None:
        """Closes the door without losing a call that was accepted."""
        log.info("shutting down", drain_seconds=self._lifetime.drain_seconds)
        await self._health.announce_shutdown()
        for task in self._at_work:
            task.cancel()
        try:
            await asyncio.wait_for(self._hurry.wait(), self._lifetime.drain_seconds)
        except TimeoutError:
            log.debug("drain period over")
        await self._door.close(within_seconds=self._lifetime.grace_seconds)
        await self._close_ports(seconds=LAST_SECONDS)
        try:
            await asyncio.wait_for(self._registry.drain(), RELEASE_SECONDS)
        except TimeoutError:
            raise DeviceFailed(f"a batch has not ended within {RELEASE_SECONDS:g} s of the last call") from None
        await self._http.stop_metrics()
        log.info("stopped", **self._metrics.totals())

    async def abandon(self) -> None:
        """Ends soon, because nothing can be computed any more: calls that are inside are told so, and no model is
        released, since that asks the device.
        """
        await self._health.announce_shutdown()
        for task in self._at_work:
            task.cancel()
        await self._door.close(within_seconds=ABANDON_SECONDS)
        await self._close_ports(seconds=ABANDON_SECONDS)

    async def _close_ports(self, *, seconds: float | None) -> None:
        await self._grpc_server.stop(seconds)
        if self._fast_grpc_server is not None:
            await self._fast_grpc_server.stop(seconds)
        await self._http.stop_api()
