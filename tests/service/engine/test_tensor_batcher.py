"""Which requests for a graph of any kind travel together, and what becomes of each."""

import asyncio
import time
from collections.abc import AsyncIterator

import numpy as np
import pytest

from service.engine.batcher import BatchPolicy, BatchReport
from service.engine.tensor_batcher import TensorBatcher, Tensors
from service.errors import ArgumentInvalid, DeadlineUnreachable, InferenceFailed, QueueFull, ShuttingDown


class FakeGraph:
    """Doubles `x`; notes the batches, waits at a gate, and fails where it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[float]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: BaseException | None = None
        self.rows_left_out = 0

    async def run(self, tensors: Tensors) -> Tensors:
        self.batches.append(tensors["x"][:, 0].tolist())
        await self.gate.wait()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        doubled = tensors["x"] * 2
        return {"y": doubled[: len(doubled) - self.rows_left_out]}


@pytest.fixture
def graph() -> FakeGraph:
    return FakeGraph()


@pytest.fixture
async def batcher(graph: FakeGraph) -> AsyncIterator[TensorBatcher]:
    """Batches of up to four rows, a queue of six."""
    batcher = TensorBatcher(graph.run, BatchPolicy(max_batch_size=4, max_queue_images=6), joins=True)
    await batcher.start()
    yield batcher
    graph.gate.set()
    await batcher.drain()


def rows(*values: float, width: int = 1) -> Tensors:
    return {"x": np.array([[value] * width for value in values], dtype=np.float32)}


async def ask(batcher: TensorBatcher, *values: float, width: int = 1) -> list[float]:
    share = await batcher.submit(rows(*values, width=width), rows=len(values))
    doubled: list[float] = share.outputs["y"][:, 0].tolist()
    return doubled


async def busy(batcher: TensorBatcher, graph: FakeGraph) -> asyncio.Task[list[float]]:
    """The graph is kept at work by a request of its own."""
    graph.gate.clear()
    first = asyncio.create_task(ask(batcher, 100.0))
    while not graph.batches:  # noqa: ASYNC110 - the graph announces nothing
        await asyncio.sleep(0)
    return first


async def test_requests_that_wait_travel_together(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """Up to the batch size, in order, never cut apart; each gets its own rows."""
    first = await busy(batcher, graph)
    others = [asyncio.create_task(ask(batcher, *values)) for values in ([1.0, 2.0], [3.0], [4.0, 5.0])]
    await asyncio.sleep(0)
    assert batcher.waiting == 5
    graph.gate.set()
    assert await asyncio.gather(first, *others) == [[200.0], [2.0, 4.0], [6.0], [8.0, 10.0]]
    assert graph.batches == [[100.0], [1.0, 2.0, 3.0], [4.0, 5.0]]


async def test_other_shapes_do_not_travel_together(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """Nor is anybody overtaken."""
    first = await busy(batcher, graph)
    others = [asyncio.create_task(ask(batcher, value, width=width)) for value, width in ((1, 1), (2, 2), (3, 1))]
    await asyncio.sleep(0)
    graph.gate.set()
    await asyncio.gather(first, *others)
    assert graph.batches == [[100.0], [1.0], [2.0], [3.0]]


async def test_without_a_batch_dimension_each_goes_alone(graph: FakeGraph) -> None:
    """Whatever waits."""
    batcher = TensorBatcher(graph.run, BatchPolicy(max_batch_size=4), joins=False)
    await batcher.start()
    await asyncio.gather(*(ask(batcher, value) for value in (1.0, 2.0, 3.0)))
    await batcher.drain()
    assert graph.batches == [[1.0], [2.0], [3.0]]


async def test_a_cancelled_caller_does_not_touch_its_mates(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """Cancelled while it waits, it is not computed at all."""
    first = await busy(batcher, graph)
    gone, stays = asyncio.create_task(ask(batcher, 1.0)), asyncio.create_task(ask(batcher, 2.0))
    await asyncio.sleep(0)
    gone.cancel()
    graph.gate.set()
    assert list(await asyncio.gather(first, stays)) == [[200.0], [4.0]]
    assert graph.batches == [[100.0], [2.0]]


async def test_a_failing_batch_fails_alone(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """The cause stays inside; the next batch works. A single caller is told of its own fault as it is."""
    graph.failure = RuntimeError("secret")
    with pytest.raises(InferenceFailed) as failed:
        await ask(batcher, 1.0)
    assert "secret" not in failed.value.sentence
    assert await ask(batcher, 2.0) == [4.0]
    graph.failure = ArgumentInvalid("not UTF-8")
    with pytest.raises(ArgumentInvalid, match="not UTF-8"):
        await ask(batcher, 3.0)


async def test_another_number_of_rows_is_an_error(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """Nobody gets the rows of another; the sentence says what to configure."""
    first = await busy(batcher, graph)
    others = [asyncio.create_task(ask(batcher, value)) for value in (1.0, 2.0)]
    await asyncio.sleep(0)
    graph.rows_left_out = 1
    graph.gate.set()
    results = await asyncio.gather(first, *others, return_exceptions=True)
    assert all("max_batch_size: 0" in str(result) for result in results[1:])


async def test_a_full_queue_refuses_at_once(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """With a hint when to come again."""
    first = await busy(batcher, graph)
    waiting = [asyncio.create_task(ask(batcher, 1.0, 1.0, 1.0)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFull) as refused:
        await ask(batcher, 9.0)
    assert refused.value.retry_seconds > 0
    graph.gate.set()
    await asyncio.gather(first, *waiting)


async def test_a_passed_deadline_is_not_computed(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """Neither on arrival nor in the queue."""
    with pytest.raises(DeadlineUnreachable):
        await batcher.submit(rows(1.0), rows=1, deadline=time.monotonic() - 1)
    first = await busy(batcher, graph)
    deadline = time.monotonic() + 0.4  # by then it must have joined the queue
    late = asyncio.create_task(batcher.submit(rows(1.0), rows=1, deadline=deadline))
    await asyncio.sleep(deadline - time.monotonic() + 0.01)
    graph.gate.set()
    with pytest.raises(DeadlineUnreachable, match="passed while"):
        await late
    await first
    assert graph.batches == [[100.0]]


async def test_a_drain_answers_what_was_accepted(graph: FakeGraph) -> None:
    """And takes nothing new; what was done is reported."""
    reports: list[BatchReport] = []
    batcher = TensorBatcher(graph.run, BatchPolicy(max_batch_size=4), joins=True, observe=reports.append)
    await batcher.start()
    first = await busy(batcher, graph)
    second = asyncio.create_task(ask(batcher, 1.0, 2.0))
    await asyncio.sleep(0)
    draining = asyncio.create_task(batcher.drain())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await ask(batcher, 3.0)
    graph.gate.set()
    await draining
    assert list(await asyncio.gather(first, second)) == [[200.0], [2.0, 4.0]]
    assert [report.size for report in reports] == [1, 2]


async def test_a_session_that_is_cancelled_fails_its_batch_only(batcher: TensorBatcher, graph: FakeGraph) -> None:
    """The worker was not told to end, so the next batch works."""
    graph.failure = asyncio.CancelledError()
    with pytest.raises(InferenceFailed):
        await ask(batcher, 1.0)
    assert await ask(batcher, 2.0) == [4.0]


async def test_an_observer_that_raises_does_not_stop_the_worker(graph: FakeGraph) -> None:
    """Who only watches must not stop the work."""

    def observe(report: BatchReport) -> None:
        raise ValueError(report.size)

    batcher = TensorBatcher(graph.run, BatchPolicy(), joins=True, observe=observe)
    await batcher.start()
    async with asyncio.timeout(60):
        assert [await ask(batcher, value) for value in (1.0, 2.0)] == [[2.0], [4.0]]
    await batcher.drain()
