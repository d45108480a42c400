"""The life of the server: load → start → serve → drain → stop.

On SIGTERM (or Ctrl-C) the health checks turn NOT_SERVING at once, calls are still taken for the drain period so that
balancers notice, then the door closes, what was accepted is finished, and the models are released last. A second signal
skips the drain period.
"""

import asyncio
import signal
from dataclasses import dataclass

import grpc
import structlog

from service.api.health import Health
from service.models.registry import Registry

log = structlog.get_logger("service.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetime:
    """How long the steps of a shutdown take."""

    drain_seconds: float
    grace_seconds: float


class Server:
    """A gRPC server with its models. `run` returns when it was told to stop and everything accepted was answered."""

    def __init__(self, grpc_server: grpc.aio.Server, registry: Registry, health: Health, lifetime: Lifetime) -> None:
        self._grpc_server = grpc_server
        self._registry = registry
        self._health = health
        self._lifetime = lifetime
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    def request_stop(self) -> None:
        """What a signal does: the first begins the shutdown, the second skips the drain period."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)
        await self.start()
        await self._stop.wait()
        await self.shut_down()

    async def start(self) -> None:
        """Opens the door; the models were loaded before."""
        await self._grpc_server.start()
        await self._health.announce_ready()
        log.info("ready")

    async def shut_down(self) -> None:
        """Closes the door without losing a call that was accepted."""
        log.info("shutting down", drain_seconds=self._lifetime.drain_seconds)
        await self._health.announce_shutdown()
        try:
            await asyncio.wait_for(self._hurry.wait(), self._lifetime.drain_seconds)
        except TimeoutError:
            log.debug("drain period over")
        await self._grpc_server.stop(self._lifetime.grace_seconds)
        await self._registry.drain()
        log.info("stopped")
