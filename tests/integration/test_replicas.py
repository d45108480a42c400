"""Three replicas behind the client's round_robin, as behind a headless Service: one is killed, all are replaced."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from recognition_client import AsyncRecognitionClient, RecognitionError

from tests.integration.running_service import RunningService, running_service
from tests.reliability.observed import metric
from tests.service.packages import LABELS, PackageRecipe, encode, picture

REPLICAS = 3
CALLERS = 16
PICTURES = [encode(picture(place)) for place in range(len(LABELS))]


@dataclass(slots=True)
class Load:
    """What became of the calls so far."""

    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    wrong: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def calls(self) -> int:
        return self.answered.total() + len(self.failed)

    async def until(self, calls: int) -> None:
        while self.calls < calls:  # noqa: ASYNC110 - a number has no event to wait for
            await asyncio.sleep(0.02)


@dataclass(slots=True)
class Fleet:
    """Replicas that keep their ports over a restart."""

    models: Path
    stack: ExitStack
    replicas: list[RunningService] = field(default_factory=list)

    @property
    def target(self) -> str:
        return "ipv4:" + ",".join(f"127.0.0.1:{replica.grpc_port}" for replica in self.replicas)

    def start(self, port: int = 0) -> RunningService:
        options = ("--grpc-port", str(port), "--drain-seconds", "0.5", "--threads", "1", "--decode-threads", "1")
        return self.stack.enter_context(running_service(self.models, *options))

    def replace(self, place: int) -> int:
        """Ends a replica as Kubernetes would and starts it anew; its exit code."""
        old = self.replicas[place]
        old.terminate()
        code = old.wait()
        self.replicas[place] = self.start(old.grpc_port)
        return code


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Shared by the tests here."""
    models = tmp_path_factory.mktemp("models")
    PackageRecipe().write(models)
    with ExitStack() as stack:
        fleet = Fleet(models, stack)
        with ThreadPoolExecutor(REPLICAS) as at_once:
            fleet.replicas = list(at_once.map(lambda _: fleet.start(), range(REPLICAS)))
        yield fleet


@pytest.fixture
def fleet(standing: Fleet) -> Fleet:
    """Whole, whatever became of it in the test before."""
    for place, replica in enumerate(standing.replicas):
        if replica.process.poll() is not None:
            standing.replicas[place] = standing.start(replica.grpc_port)
    return standing


@asynccontextmanager
async def load_on(target: str) -> AsyncIterator[Load]:
    """Callers that ask without pause, until the block is left."""
    load = Load()

    async def ask(client: AsyncRecognitionClient, place: int) -> None:
        while not load.stop.is_set():
            place = (place + 1) % len(PICTURES)
            try:
                result = await client.classify(PICTURES[place])
            except RecognitionError as error:
                load.failed.append(str(error))
                continue
            load.wrong += result.predictions[0].label != LABELS[place]
            load.answered[result.predictions[0].label] += 1

    async with AsyncRecognitionClient(target) as client, asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(ask(client, number))
        try:
            yield load
        finally:
            load.stop.set()


async def test_calls_are_spread_over_all_replicas(fleet: Fleet) -> None:
    """Each has its share, by its own metrics, from the moment on when the client is connected to all of them."""
    async with load_on(fleet.target) as load:
        before = begun = await answered(fleet)
        while any(now == then for now, then in zip(begun, before, strict=True)):
            await load.until(load.calls + 1)
            begun = await answered(fleet)
        await load.until(load.calls + 500)
        ended = await answered(fleet)
    counts = [after - before for before, after in zip(begun, ended, strict=True)]
    assert min(counts) > 0.8 * sum(counts) / REPLICAS


async def answered(fleet: Fleet) -> list[float]:
    """How many calls each replica has ended so far."""
    return [await asyncio.to_thread(metric, replica, "recognition_ended_total") for replica in fleet.replicas]


async def test_killing_a_replica_fails_no_call_of_a_client_that_retries(fleet: Fleet) -> None:
    """SIGKILL in the middle of the load: what it had is asked again of the others, and every answer is right."""
    async with load_on(fleet.target) as load:
        await load.until(300)
        fleet.replicas[1].process.kill()
        before = load.calls
        await load.until(before + 1500)
    assert load.failed == []
    assert load.wrong == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_rolling_restart_fails_nothing_in_20_000_calls(fleet: Fleet) -> None:
    """Replica after replica is replaced, round and round, until there were so many calls."""
    codes: list[int] = []
    async with load_on(fleet.target) as load:
        await load.until(200)
        while load.calls < 20_000 or len(codes) < REPLICAS:
            codes.append(await asyncio.to_thread(fleet.replace, len(codes) % REPLICAS))
    assert load.failed == []
    assert load.wrong == 0
    assert set(codes) == {0}
    print(f"{load.calls} calls, {len(codes)} restarts")  # noqa: T201 - the figure of the report
