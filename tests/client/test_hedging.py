"""A second attempt for calls that are slow to answer (client/recognition_client/hedging.py)."""

import asyncio
import itertools
import math
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import grpc
import pytest
import pytest_asyncio
from recognition_client import AsyncRecognitionClient, ImageRejected, RecognitionClient, hedging
from recognition_client.ending import Ended
from recognition_client.hedging import Hedging

from tests.client.fake_service import FakeService, RunningServer

SLOW_SECONDS = 5.0
SOON = 0.25
LATER = 0.4
NEVER = 99
FULL = Ended(grpc.StatusCode.RESOURCE_EXHAUSTED, "Full.", ())
WRONG = Ended(grpc.StatusCode.INVALID_ARGUMENT, "No image.", ())


class Attempts:
    """Begins attempts that end as the script says; `begun` has the deadline of each.

    An attempt ends when so many have begun, itself included, and so many seconds later: on a busy machine too.
    """

    def __init__(self, *script: tuple[int, float, Any]) -> None:
        self._script = list(script)
        self._futures: list[Future[str]] = []
        self.begun: list[float] = []
        self.cancelled = 0

    def __call__(self, seconds: float) -> "grpc.Future[str]":
        self.begun.append(seconds)
        self._futures.append(Future())
        for future, (count, after, outcome) in zip(self._futures, self._script, strict=False):
            if max(count, self._futures.index(future) + 1) == len(self.begun):
                asyncio.get_running_loop().call_later(after, self._end, future, outcome)
        return cast("grpc.Future[str]", self._futures[-1])

    def _end(self, future: "Future[str]", outcome: Any) -> None:
        if not future.cancelled():
            future.set_exception(outcome) if isinstance(outcome, Exception) else future.set_result(outcome)

    async def asked(self, seconds: float) -> str:
        try:
            return await asyncio.wrap_future(cast("Future[str]", self(seconds)))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@dataclass
class Replicas:
    """Two of them; the first becomes slow once both are connected."""

    slow: FakeService
    quick: FakeService
    target: str

    def asked(self) -> bool:
        """Whether both were; from then on one is slow."""
        if self.slow.requests and self.quick.requests:
            self.slow.delay_seconds = SLOW_SECONDS
        return self.slow.delay_seconds > 0


@pytest.fixture
def replicas() -> Iterator[Replicas]:
    services = FakeService(), FakeService()
    servers = [RunningServer(service) for service in services]
    yield Replicas(*services, "ipv4:" + ",".join(server.target for server in servers))
    for server in servers:
        server.stop()


@pytest.mark.parametrize("token", [None, "rec_a-token-0123456789"])
def test_a_slow_replica_is_helped_by_the_next(replicas: Replicas, token: str | None) -> None:
    """No call waits for it; with a token too, which every attempt brings."""
    with RecognitionClient(replicas.target, hedge_after_seconds=SOON, token=token) as client:
        while not replicas.asked():
            client.classify(b"shoe")
        began = time.monotonic()
        for _ in range(3):
            assert client.classify(b"shoe").predictions[0].label == "shoe"
        assert time.monotonic() - began < SLOW_SECONDS


@pytest.mark.parametrize("token", [None, "rec_a-token-0123456789"])
async def test_so_it_is_with_asyncio(replicas: Replicas, token: str | None) -> None:
    """Two calls at a time."""
    async with AsyncRecognitionClient(replicas.target, hedge_after_seconds=SOON, token=token) as client:
        while not replicas.asked():
            await client.classify(b"shoe")
        began = time.monotonic()
        results = await asyncio.gather(*(client.classify(b"shoe") for _ in range(2)))
        assert all(result.predictions[0].label == "shoe" for result in results)
        assert time.monotonic() - began < SLOW_SECONDS


def test_a_bad_image_is_told_at_once(replicas: Replicas) -> None:
    """By the first that answers."""
    with RecognitionClient(replicas.target, hedge_after_seconds=SOON) as client:
        while not replicas.asked():
            client.classify(b"shoe")
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(ImageRejected):
                client.classify(b"bad")
        assert time.monotonic() - began < SLOW_SECONDS


SCRIPTS: list[tuple[list[tuple[int, float, Any]], Any, int]] = [
    ([(1, 0, "a")], "a", 1),
    ([(NEVER, 0, "a"), (2, 0, "b")], "b", 2),
    ([(NEVER, 0, "a"), (NEVER, 0, "b"), (3, 0, "c")], "c", 3),  # two went to the slow replica
    ([(3, 0, "a"), (NEVER, 0, "b"), (NEVER, 0, "c")], "a", 3),
    ([(2, LATER, "a"), (2, 0, FULL)], "a", 2),  # who is full gets no more
    ([(3, 0, FULL), (NEVER, 0, "b"), (3, LATER, "c")], "c", 3),  # the others may still answer
    ([(2, LATER, FULL), (2, 0, FULL)], FULL, 2),
    ([(3, 0, WRONG), (NEVER, 0, "b"), (NEVER, 0, "c")], WRONG, 3),  # it would be wrong there too
    ([(1, 0, FULL)], FULL, 1),  # gRPC's own retries have had their turn
]
"""What becomes of each attempt, what the caller gets, and how many attempts there were."""


class Race(NamedTuple):
    given: Attempts
    found: Any


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def races() -> dict[tuple[int, bool], Race]:
    """Every script played, for a caller that blocks and for one that does not. Side by side: each waits for long."""
    keys = [(number, blocking) for number in range(len(SCRIPTS)) for blocking in (True, False)]
    with ThreadPoolExecutor(len(SCRIPTS)) as threads:
        played = await asyncio.gather(
            *(_race(SCRIPTS[number][0], threads if blocking else None) for number, blocking in keys)
        )
    return dict(zip(keys, played, strict=True))


async def _race(script: list[tuple[int, float, Any]], threads: ThreadPoolExecutor | None) -> Race:
    given, policy = Attempts(*script), Hedging(SOON)
    loop = asyncio.get_running_loop()

    def attempt(seconds: float) -> "grpc.Future[str]":
        return asyncio.run_coroutine_threadsafe(_begin(given, seconds), loop).result()

    try:
        if threads is None:
            return Race(given, await policy.call_async(given.asked, timeout_seconds=10.0))
        return Race(given, await loop.run_in_executor(threads, lambda: policy.call(attempt, timeout_seconds=10.0)))
    except grpc.RpcError as error:
        return Race(given, error)


async def _begin(given: Attempts, seconds: float) -> "grpc.Future[str]":
    return given(seconds)


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
@pytest.mark.parametrize("blocking", [True, False])
def test_the_first_answer_wins(races: dict[tuple[int, bool], Race], number: int, blocking: bool) -> None:
    """An error wins only where the other attempt would have it too, or has it."""
    _, outcome, attempts = SCRIPTS[number]
    given, found = races[number, blocking]
    assert found is outcome or found == outcome
    assert len(given.begun) == attempts
    assert given.begun[0] == 10.0
    assert all(later <= sooner - SOON for sooner, later in itertools.pairwise(given.begun))


async def test_the_loser_is_cancelled() -> None:
    """And all of them, where the caller goes away."""
    given = Attempts((NEVER, 0, "a"), (2, 0, "b"), *[(NEVER, 0, "c")] * 3)
    policy = Hedging(SOON)
    assert await policy.call_async(given.asked, timeout_seconds=10.0) == "b"
    await asyncio.sleep(0.01)
    assert given.cancelled == 1
    call = asyncio.ensure_future(policy.call_async(given.asked, timeout_seconds=10.0))
    while len(given.begun) < 5:  # noqa: ASYNC110 - nobody announces it
        await asyncio.sleep(0.01)
    call.cancel()
    await asyncio.wait({call})
    await asyncio.sleep(0.01)
    assert given.cancelled == 4


async def test_the_budget_ends_the_second_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saved ones are spent; then every tenth call has earned one."""
    monkeypatch.setattr(hedging, "MOST_SAVED", 2.0)
    policy = Hedging(0.001)
    begun = 0
    for _ in range(24):
        given = Attempts((1, 0.02, "a"), *[(NEVER, 0, "b")] * 2)
        assert await policy.call_async(given.asked, timeout_seconds=10.0) == "a"
        begun += len(given.begun)
    assert 24 + 2 <= begun <= 24 + 2 + 3


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_a_delay_that_means_nothing_is_refused(seconds: float) -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="hedge_after_seconds"):
        RecognitionClient("host:1", hedge_after_seconds=seconds)
