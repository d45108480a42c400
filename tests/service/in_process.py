"""The whole service inside the test's own event loop: built by its own bootstrap, on free ports, with real models."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import uvicorn.server
from grpc_health.v1 import health_pb2
from prometheus_client import CollectorRegistry
from recognition.v1.recognition_pb2_grpc import RecognitionServiceStub
from structlog.testing import capture_logs

from service.api import door
from service.bootstrap import build_server
from service.config import Settings
from service.engine.providers import Device
from service.models.live_model import LiveModel
from service.server import Server

if TYPE_CHECKING:
    from recognition.v1.recognition_pb2_grpc import RecognitionServiceAsyncStub  # only the type stubs have it

SECONDS = 60.0
"""Within which everything here happens; only a broken service takes as long."""

DOOR = os.environ.get("GRPC_DOOR", "grpc_port")
"""Which of the gRPC doors the tests knock at; fast_grpc_port is the second (tests/service/http2/test_same_tests.py)."""

QUICK: dict[str, Any] = {
    "device": Device.CPU,
    "threads": 1,
    "decode_threads": 2,
    "max_batch_size": 8,
    "grpc_port": 0,
    "http": False,
    "model_trial": "none",
    "http_port": 0,
    "metrics_port": 0,
    "reload_seconds": 0.0,
    "golden_seconds": 0.0,
    "drain_seconds": 0.0,
    "grace_seconds": SECONDS,
}


@dataclass(slots=True, kw_only=True)
class InProcess:
    """A server, its ports, a channel to it, and what it logged so far."""

    server: Server
    log: list[MutableMapping[str, Any]]
    grpc_port: int
    fast_grpc_port: int
    http_port: int
    metrics_port: int
    channel: grpc.aio.Channel

    @property
    def stub(self) -> "RecognitionServiceAsyncStub":
        return RecognitionServiceStub(self.channel)

    @property
    def metrics(self) -> CollectorRegistry:
        return self.server._metrics.registry

    @property
    def inside(self) -> int:
        """Calls that are being worked on."""
        return int(self.metrics.get_sample_value("recognition_in_flight_requests") or 0)

    def live(self, name: str = "thirds", version: int | None = None) -> LiveModel:
        return self.server._registry.resolve(name, version=version)

    def sum(self, metric: str, **labels: str) -> float:
        """The metric's samples with these labels, added up."""
        samples = [sample for family in self.metrics.collect() for sample in family.samples if sample.name == metric]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def events(self, event: str) -> list[MutableMapping[str, Any]]:
        return [entry for entry in self.log if entry["event"] == event]

    async def until_inside(self, calls: int) -> None:
        """Returns when as many calls as that are being worked on."""
        await until(lambda: self.inside == calls)

    async def health(self, name: str = "") -> str:
        """What the health service says of the server, or of a model."""
        check: grpc.aio.UnaryUnaryMultiCallable[Any, health_pb2.HealthCheckResponse] = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = await check(health_pb2.HealthCheckRequest(service=name), timeout=SECONDS)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def watch_health(self) -> "grpc.aio.UnaryStreamCall[Any, health_pb2.HealthCheckResponse]":
        """The states of the server as a whole, as the health service tells them to those who watch."""
        watch: grpc.aio.UnaryStreamMultiCallable[Any, health_pb2.HealthCheckResponse] = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        return watch(health_pb2.HealthCheckRequest(), timeout=SECONDS)

    async def until_health(self, wanted: str) -> None:
        """Returns when the server as a whole is SERVING or NOT_SERVING."""
        async for answer in (call := self.watch_health()):
            if health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) == wanted:
                call.cancel()
                return
        raise AssertionError(f"the watch ended before the server was {wanted}")


@asynccontextmanager
async def built(models: Path, **settings: Any) -> AsyncIterator[InProcess]:
    """The service with its ports bound, not started."""
    if DOOR != "grpc_port":
        settings = {DOOR: 0} | settings
    with capture_logs() as log:
        server = await build_server(Settings(**(QUICK | {"models": models} | settings)))
        ports = next(entry for entry in log if entry["event"] == "ports bound")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[DOOR]}") as channel:
            yield InProcess(
                server=server,
                log=log,
                channel=channel,
                grpc_port=ports["grpc_port"],
                fast_grpc_port=ports["fast_grpc_port"] or 0,
                http_port=ports["http_port"] or 0,
                metrics_port=ports["metrics_port"],
            )
        await server._http.stop_metrics()


@asynccontextmanager
async def serving(models: Path, **settings: Any) -> AsyncIterator[InProcess]:
    """The service with its models loaded; shut down on the way out."""
    async with built(models, **settings) as service:
        await service.server.start()
        try:
            yield service
        finally:
            service.server.request_stop()
            with _hurried():
                await asyncio.wait_for(service.server.shut_down(), SECONDS)


class _Hasty:
    """Stands in for asyncio in uvicorn, whose pauses are a twentieth as long."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / 20)


@contextmanager
def _hurried() -> Iterator[None]:
    """A service that stops does not wait for calls that may be on their way: whoever asked here has the answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(door, "QUIET_SECONDS", 0.0)
        patch.setattr(door, "QUIET_TURNS", 0)
        patch.setattr(uvicorn.server, "asyncio", _Hasty())
        yield


@contextmanager
def held(live: LiveModel) -> Iterator[threading.Event]:
    """Nothing is computed until the event is set, or the block is left: other jobs keep the session's threads."""
    threads = live.runner._max_workers
    begun, release = threading.Barrier(threads + 1, timeout=SECONDS), threading.Event()

    def hold() -> None:
        begun.wait()
        release.wait(SECONDS)

    jobs = [live.runner.submit(hold) for _ in range(threads)]
    begun.wait()
    try:
        yield release
    finally:
        release.set()
        for job in jobs:
            job.result(SECONDS)


async def until_at_work(live: LiveModel) -> None:
    """Returns when a batch lies before the session, which is held."""
    await until(lambda: live.runner._work_queue.qsize() > 0)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until the condition holds. For states that nobody announces."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - that is the point
            await asyncio.sleep(0.005)
