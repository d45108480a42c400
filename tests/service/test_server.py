"""The life of the server (service/server.py), with a real model and real calls: load → start → serve → drain → stop."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from recognition.v1 import recognition_pb2 as pb

from service import server
from service.api import door
from service.engine.providers import ProviderUnavailable
from service.engine.session import Outputs, Session
from service.models.live_model import LiveModel
from service.models.loader import ModelLoader
from service.models.repository import Package, PackageRefused
from service.server import DeviceFailed
from tests.service.in_process import SECONDS, InProcess, built, held, until
from tests.service.packages import PackageRecipe, encode, golden, picture

REQUEST = pb.ClassifyRequest(image=encode(picture(2)))
LONG = 600.0
"""A drain period that no test waits for."""


@asynccontextmanager
async def running(models: Path, **settings: Any) -> AsyncIterator[tuple[InProcess, "asyncio.Task[None]"]]:
    """The service as `recognition-serve` runs it, ready, and the task that ends with it."""
    async with built(models, **settings) as service:
        end = asyncio.create_task(service.server.run())
        await service.until_health("SERVING")
        yield service, end
        await asyncio.wait_for(end, SECONDS)


async def refused(port: int) -> bool:
    """Whether nothing listens on a port."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


def others() -> set["asyncio.Task[Any]"]:
    return asyncio.all_tasks() - {asyncio.current_task()}


async def test_every_accepted_call_is_answered_when_a_stop_comes(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that never pause get answers until they are told to go elsewhere, and nothing else."""
    answered: list[str] = []

    async def flow(service: InProcess) -> grpc.aio.AioRpcError:
        while True:
            try:
                response = await service.stub.Classify(REQUEST)
            except grpc.aio.AioRpcError as error:
                return error
            answered.append(response.classification.predictions[0].label)

    monkeypatch.setattr(door, "QUIET_SECONDS", 1.0)  # nobody who was slow to ask may find the port closed
    async with running(models, drain_seconds=0.5) as (service, _):
        callers = [asyncio.create_task(flow(service)) for _ in range(8)]
        await until(lambda: len(answered) >= 50)
        service.server.request_stop()
        before = len(answered)
        ends = await asyncio.gather(*callers)
    assert {end.code() for end in ends} == {grpc.StatusCode.UNAVAILABLE}
    assert {end.details() for end in ends} == {"The server is shutting down; send the call to another one."}
    assert len(answered) > before, "calls are still taken during the drain period"
    assert set(answered) == {"right"}
    (totals,) = service.events("stopped")
    assert (totals["answered"], totals["ended"]) == (len(answered), len(answered) + len(callers))


async def test_health_turns_at_once_while_calls_are_still_answered(models: Path) -> None:
    """NOT_SERVING for the server and its models from the moment of the stop; the door is open until the drain ends."""
    async with running(models, drain_seconds=LONG) as (service, end):
        assert (await service.health(), await service.health("thirds")) == ("SERVING", "SERVING")
        service.server.request_stop()
        await service.until_health("NOT_SERVING")
        assert (await service.health(), await service.health("thirds")) == ("NOT_SERVING", "NOT_SERVING")
        response = await service.stub.Classify(REQUEST)
        assert response.classification.predictions[0].label == "right"
        assert not end.done()
        service.server.request_stop()


async def test_a_second_signal_skips_the_drain_period(models: Path) -> None:
    """Real signals: the first begins a long drain, the second ends it; nothing is left behind."""
    async with running(models, drain_seconds=LONG) as (service, end):
        signal.raise_signal(signal.SIGTERM)
        await service.until_health("NOT_SERVING")
        assert not end.done()
        signal.raise_signal(signal.SIGINT)
    assert await refused(service.grpc_port)


async def test_a_call_that_is_being_worked_on_is_finished_first(models: Path) -> None:
    """The door closes for others at once, and the port only when the last call has its answer."""
    async with running(models) as (service, end):
        with held(service.live()) as release:
            call = service.stub.Classify(REQUEST)
            await service.until_inside(1)
            service.server.request_stop()
            await until(service.server._door.closing.is_set)
            with pytest.raises(grpc.aio.AioRpcError, match="shutting down"):
                await service.stub.Classify(REQUEST)
            assert not end.done()
            release.set()
            assert (await call).classification.predictions[0].label == "right"


async def test_the_grace_period_is_a_limit(models: Path) -> None:
    """A call that does not end is ended: the port closes all the same."""
    async with built(models, grace_seconds=0.1) as service:
        end = asyncio.create_task(service.server.run())
        await service.until_health("SERVING")
        with held(service.live()):
            call = service.stub.Classify(REQUEST)
            await service.until_inside(1)
            service.server.request_stop()
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await call
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            assert await refused(service.grpc_port)
        await asyncio.wait_for(end, SECONDS)


async def test_models_are_released_last(models: Path) -> None:
    """When `run` returns, the session's thread is gone and no task is left."""
    before = others()
    async with running(models) as (service, _):
        live = service.live()
        await service.stub.Classify(REQUEST)
        service.server.request_stop()
    with pytest.raises(RuntimeError, match="shutdown"):
        live.runner.submit(print)
    await until(lambda: others() <= before)


async def test_while_models_load_callers_are_told_so(models: Path, slow_load: asyncio.Event) -> None:
    """The port answers: MODEL_NOT_READY and NOT_SERVING until the models are there."""
    async with built(models) as service:
        end = asyncio.create_task(service.server.run())
        await service.until_health("NOT_SERVING")
        await until(lambda: bool(service.server._registry.entries()))
        with pytest.raises(grpc.aio.AioRpcError, match="it is loading") as not_ready:
            await service.stub.Classify(REQUEST)
        assert not_ready.value.code() is grpc.StatusCode.UNAVAILABLE
        slow_load.set()
        await service.until_health("SERVING")
        await service.stub.Classify(REQUEST)
        service.server.request_stop()
        await asyncio.wait_for(end, SECONDS)


@pytest.mark.usefixtures("slow_load")
async def test_a_stop_while_loading_ends_the_start(models: Path) -> None:
    """Nobody waits for a model that will not be used; `ready` is never said."""
    before = others()
    async with built(models) as service:
        end = asyncio.create_task(service.server.run())
        await until(lambda: bool(service.server._registry.entries()))
        service.server.request_stop()
        await asyncio.wait_for(end, SECONDS)
    assert service.events("ready") == []
    assert len(service.events("stopped")) == 1
    assert await refused(service.grpc_port)
    await until(lambda: others() <= before)


@pytest.fixture
def slow_load(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Models are loaded when this event is set, not before."""
    go = asyncio.Event()
    load: Callable[[ModelLoader, Package], Awaitable[LiveModel]] = ModelLoader.load

    async def wait_and_load(loader: ModelLoader, package: Package) -> LiveModel:
        await go.wait()
        return await load(loader, package)

    monkeypatch.setattr(ModelLoader, "load", wait_and_load)
    return go


async def test_a_refused_model_ends_the_start_and_closes_the_ports(tmp_path: Path) -> None:
    """The error names the package and what is wrong; nothing listens any more."""
    PackageRecipe(golden=golden(shift=1.0)).write(tmp_path)
    async with built(tmp_path, http=True) as service:
        with pytest.raises(PackageRefused, match=r"thirds version 1 is refused: .*golden samples disagree"):
            await service.server.run()
        assert await refused(service.grpc_port)
        assert await refused(service.http_port)


async def test_any_other_failure_of_the_start_closes_the_ports_too(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that turns out to be unusable only when the first model is put on it."""

    async def unusable(loader: ModelLoader, package: Package) -> LiveModel:
        raise ProviderUnavailable("the session was to run on CUDA")

    monkeypatch.setattr(ModelLoader, "load", unusable)
    async with built(models, http=True) as service:
        with pytest.raises(ProviderUnavailable, match="to run on CUDA"):
            await service.server.run()
        assert await refused(service.grpc_port)
        assert await refused(service.http_port)


async def test_a_good_model_is_served_beside_a_refused_one(tmp_path: Path) -> None:
    """Where the settings allow it; the log has the reason of the other."""
    PackageRecipe().write(tmp_path)
    PackageRecipe(name="wrong", golden=golden(shift=1.0)).write(tmp_path)
    async with running(tmp_path, require_all_models=False) as (service, _):
        assert (await service.health("thirds"), await service.health("wrong")) == ("SERVING", "NOT_SERVING")
        await service.stub.Classify(pb.ClassifyRequest(model=pb.ModelSelector(name="thirds"), image=REQUEST.image))
        assert [entry["model"] for entry in service.events("model refused")] == ["wrong"]
        service.server.request_stop()


async def test_a_lost_device_ends_the_server_soon(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NOT_SERVING at once, calls that are inside are told UNAVAILABLE, and `run` raises what the device said."""
    words = "CUDA failure 700: an illegal memory access was encountered ; GPU=0"

    def lost(session: Session, images: Any) -> Outputs:
        raise RuntimeError(words)

    async with built(models, drain_seconds=LONG) as service:
        end = asyncio.create_task(service.server.run())
        await service.until_health("SERVING")
        began = asyncio.get_running_loop().time()
        with monkeypatch.context() as patch:
            patch.setattr(Session, "run", lost)
            calls = [service.stub.Classify(REQUEST) for _ in range(8)]
            ends = await asyncio.gather(*calls, return_exceptions=True)
            with pytest.raises(DeviceFailed, match="CUDA failure 700"):
                await asyncio.wait_for(end, SECONDS)
        assert asyncio.get_running_loop().time() - began < LONG
        assert {failed.code() for failed in ends if isinstance(failed, grpc.aio.AioRpcError)} == {
            grpc.StatusCode.UNAVAILABLE
        }
        assert not [failed for failed in ends if words in str(failed)]
        assert await refused(service.grpc_port)
        assert service.sum("recognition_device_faults_total", fault="lost") == 1
        assert [line["log_level"] for line in service.events("device lost")] == ["critical"]


async def test_a_batch_that_hangs_does_not_keep_the_process(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the grace period is over `run` says so, and whoever called it need not wait for the thread."""
    begun, release = threading.Event(), threading.Event()
    run = Session.run

    def hangs(session: Session, images: Any) -> Outputs:
        begun.set()
        release.wait(SECONDS)
        return run(session, images)

    monkeypatch.setattr(server, "RELEASE_SECONDS", 0.1)
    async with built(models, grace_seconds=0.1) as service:
        end = asyncio.create_task(service.server.run())
        await service.until_health("SERVING")
        monkeypatch.setattr(Session, "run", hangs)
        call = service.stub.Classify(REQUEST)
        await until(begun.is_set)
        service.server.request_stop()
        with pytest.raises(DeviceFailed, match="a batch has not ended"):
            await asyncio.wait_for(end, SECONDS)
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        release.set()


async def test_a_device_that_computes_something_else_ends_the_readiness(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The golden sample says so within the period; the server stays up, so that its metrics and log can be read."""
    run = Session.run

    def wrong(session: Session, images: Any) -> Outputs:
        outputs = run(session, images)
        return Outputs(logits=outputs.logits + 1, embeddings=outputs.embeddings)

    async with running(models, golden_seconds=0.05) as (service, end):
        await until(lambda: service.sum("recognition_golden_checks_total", outcome="ok") > 1)
        monkeypatch.setattr(Session, "run", wrong)
        await service.until_health("NOT_SERVING")
        await until(lambda: service.sum("recognition_golden_checks_total", outcome="mismatch") == 1)
        assert await service.health("thirds") == "NOT_SERVING"
        assert service.sum("recognition_golden_max_abs_difference") == pytest.approx(1, abs=1e-3)
        with pytest.raises(grpc.aio.AioRpcError, match="it is failed"):
            await service.stub.Classify(REQUEST)
        assert not end.done()
        service.server.request_stop()


async def test_a_hangup_signal_takes_up_what_is_new(models: Path) -> None:
    """For those who do not want the repository to be looked at all the time."""
    async with running(models) as (service, _):
        PackageRecipe(version=2).write(models)
        signal.raise_signal(signal.SIGHUP)
        await until(lambda: service.live().manifest.version == 2)
        assert (await service.stub.Classify(REQUEST)).model.version == 2
        service.server.request_stop()
