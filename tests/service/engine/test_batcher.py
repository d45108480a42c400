"""The batcher: who travels together, who is refused, and that nobody's trouble becomes a neighbour's."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from service.engine import batcher as batcher_module
from service.engine.batcher import Batcher, BatchPolicy, BatchReport, Closed, Piece, Row, Tensor
from service.engine.session import Outputs
from service.errors import DeadlineUnreachable, InferenceFailed, QueueFull, ServiceError, ShuttingDown
from tests.service.engine.fake_session import FakeSession, image, wait_until_queued

NO_WAIT = BatchPolicy()
Run = Callable[[Tensor], Awaitable[Outputs]]


def value_of(row: Row) -> int:
    """The colour of the image that a row answers."""
    assert row.embedding is not None
    assert row.logits.tolist() == [row.embedding[0], -row.embedding[0]]
    return int(row.embedding[0])


def images(values: range) -> Tensor:
    """Of these colours."""
    return np.stack([image(value) for value in values]) if values else np.zeros((0, *image(0).shape), dtype=np.uint8)


def one_by_one(pieces: Sequence[Piece]) -> list[Row | ServiceError]:
    """The row of each image, or why there is none."""
    return [
        row
        for piece in pieces
        for row in ([piece.outcome] * piece.images if isinstance(piece.outcome, ServiceError) else piece.rows())
    ]


@asynccontextmanager
async def started(
    run: Run, policy: BatchPolicy = NO_WAIT, *, observe: Callable[[BatchReport], None] = lambda _: None
) -> AsyncIterator[Batcher]:
    """A batcher at work; at the end it must be able to drain."""
    batcher = Batcher(run, policy, observe=observe)
    await batcher.start()
    async with asyncio.timeout(60):
        yield batcher
        await batcher.drain()


@asynccontextmanager
async def busy(
    session: FakeSession, policy: BatchPolicy = NO_WAIT, *, observe: Callable[[BatchReport], None] = lambda _: None
) -> AsyncIterator[tuple[Batcher, asyncio.Task[Row]]]:
    """A batcher whose session computes image 0 and does not get done before the gate is opened."""
    session.gate.clear()
    async with started(session.run, policy, observe=observe) as batcher:
        first = asyncio.create_task(batcher.submit(image(0)))
        await session.wait_until_busy()
        yield batcher, first
        session.gate.set()


def submit_all(batcher: Batcher, values: range) -> list[asyncio.Task[Row]]:
    return [asyncio.create_task(batcher.submit(image(value))) for value in values]


async def test_an_idle_session_is_used_at_once() -> None:
    """Nobody waits for company while nothing runs."""
    session, reports = FakeSession(), list[BatchReport]()
    async with started(session.run, observe=reports.append) as batcher:
        for value in (5, 6):
            assert value_of(await batcher.submit(image(value))) == value
    assert session.batches == [[5], [6]]
    assert [report.closed for report in reports] == [Closed.IDLE, Closed.IDLE]


async def test_the_next_batch_gathers_while_one_runs() -> None:
    """All that arrive in the meantime go together."""
    session = FakeSession()
    async with busy(session) as (batcher, first):
        others = submit_all(batcher, range(1, 6))
        await wait_until_queued(batcher, 5)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(first, *others)] == list(range(6))
    assert session.batches == [[0], [1, 2, 3, 4, 5]]


async def test_large_batches_are_laid_together_in_memory_that_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller and larger ones after each other, and none shows what the one before left there."""
    monkeypatch.setattr(batcher_module, "LARGEST_ON_LOOP_BYTES", 0)
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=4)) as (batcher, _):
        others = submit_all(batcher, range(1, 12))
        await wait_until_queued(batcher, 11)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*others)] == list(range(1, 12))
        assert [value_of(row) for row in await asyncio.gather(*submit_all(batcher, range(20, 23)))] == [20, 21, 22]
        assert 0 < len(batcher._memory) <= batcher_module.MOST_KEPT


async def test_a_batch_is_never_larger_than_allowed() -> None:
    """The rest goes with the next ones, and each batch says why it was cut."""
    session, reports = FakeSession(), list[BatchReport]()
    async with busy(session, BatchPolicy(max_batch_size=3), observe=reports.append) as (batcher, _):
        others = submit_all(batcher, range(1, 8))
        await wait_until_queued(batcher, 7)
        session.gate.set()
        await asyncio.gather(*others)
    assert session.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]
    assert [report.closed for report in reports] == [Closed.IDLE, Closed.FULL, Closed.FULL, Closed.IDLE]


async def test_a_full_batch_does_not_wait_for_the_delay() -> None:
    """An hour is allowed, and not used."""
    session, reports = FakeSession(), list[BatchReport]()
    policy = BatchPolicy(max_batch_size=3, max_delay_seconds=3600)
    async with started(session.run, policy, observe=reports.append) as batcher:
        rows = await asyncio.gather(*submit_all(batcher, range(1, 4)))
    assert [value_of(row) for row in rows] == [1, 2, 3]
    assert session.batches == [[1, 2, 3]]
    assert [report.closed for report in reports] == [Closed.FULL]


async def test_the_delay_runs_from_the_first_image_and_never_restarts() -> None:
    """Images that keep arriving do not hold back the first one beyond its delay."""
    session, reports = FakeSession(), list[BatchReport]()
    policy = BatchPolicy(max_delay_seconds=0.3)
    async with started(session.run, policy, observe=reports.append) as batcher:
        began = time.monotonic()
        tasks = submit_all(batcher, range(1, 2))
        while not session.started.is_set():  # a newcomer every 20 ms, so that a wait that restarts would never end
            tasks.append(asyncio.create_task(batcher.submit(image(len(tasks) + 1))))
            assert time.monotonic() - began < 30
            await asyncio.sleep(0.02)
        waited = time.monotonic() - began
        await asyncio.gather(*tasks)
    assert waited > 0.29
    assert len(session.batches[0]) > 1
    assert reports[0].closed is Closed.DELAY
    assert 0.29 < max(reports[0].queue_seconds) <= waited


@pytest.mark.parametrize("gone", range(4))
async def test_a_cancelled_caller_in_the_queue_does_not_touch_its_mates(gone: int) -> None:
    """Whoever goes away while waiting is not computed; all others are answered."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        tasks = submit_all(batcher, range(1, 5))
        await wait_until_queued(batcher, 4)
        tasks[gone].cancel()
        await asyncio.wait([tasks[gone]])
        session.gate.set()
        left = [task for task in tasks if task is not tasks[gone]]
        values = [value_of(row) for row in await asyncio.gather(*left)]
    assert values == [value for value in range(1, 5) if value != gone + 1]
    assert session.batches == [[0], values]


@pytest.mark.parametrize("gone", range(4))
async def test_a_caller_cancelled_in_a_running_batch_does_not_touch_its_mates(gone: int) -> None:
    """The batch runs to its end, the others get their own rows, and the next batch works."""
    session = FakeSession()
    session.gate.clear()
    async with started(session.run, BatchPolicy(max_batch_size=4, max_delay_seconds=3600)) as batcher:
        tasks = submit_all(batcher, range(1, 5))
        await session.wait_until_busy()
        tasks[gone].cancel()
        await asyncio.wait([tasks[gone]])
        session.gate.set()
        left = [task for task in tasks if task is not tasks[gone]]
        values = [value_of(row) for row in await asyncio.gather(*left)]
        assert values == [value for value in range(1, 5) if value != gone + 1]
        again = await asyncio.gather(*submit_all(batcher, range(5, 9)))
        assert [value_of(row) for row in again] == [5, 6, 7, 8]


async def test_a_batch_whose_callers_are_all_gone_is_not_run() -> None:
    """No work for nobody, and the worker goes on."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        session.gate.set()
        assert value_of(await batcher.submit(image(9))) == 9
    assert session.batches == [[0], [9]]


async def test_an_image_whose_deadline_passed_in_the_queue_is_never_run() -> None:
    """It is refused when the batch is cut; its mates are computed without it."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        deadline = time.monotonic() + 0.5  # both must have joined the queue by then
        late = asyncio.create_task(batcher.submit(image(1), deadline=deadline))
        patient = asyncio.create_task(batcher.submit(image(2), deadline=deadline + 60))
        await wait_until_queued(batcher, 2)
        await asyncio.sleep(deadline - time.monotonic() + 0.01)  # until it has passed
        session.gate.set()
        with pytest.raises(DeadlineUnreachable):
            await late
        assert value_of(await patient) == 2
    assert session.batches == [[0], [2]]


async def test_a_deadline_in_the_past_is_refused_at_once() -> None:
    """Idle or not, nothing is computed for it."""
    session = FakeSession()
    async with started(session.run) as batcher:
        with pytest.raises(DeadlineUnreachable):
            await batcher.submit(image(1), deadline=time.monotonic() - 0.001)
        assert batcher.waiting == 0
    assert session.batches == []


async def test_a_deadline_that_the_waiting_work_will_miss_is_refused_at_once() -> None:
    """The cost of a batch is learned; who cannot be answered in time does not even join the queue."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=1)) as (batcher, first):
        await asyncio.sleep(0.05)  # a batch takes at least so long: this is what is learned
        session.gate.set()
        await first
        session.gate.clear()
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 2)  # one more is running
        with pytest.raises(DeadlineUnreachable):
            await batcher.submit(image(9), deadline=time.monotonic() + 0.1)
        enough = asyncio.create_task(batcher.submit(image(4), deadline=time.monotonic() + 60))
        await wait_until_queued(batcher, 3)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks, enough)] == [1, 2, 3, 4]
    assert session.batches == [[0], [1], [4], [2], [3]]  # who has a deadline goes before those who have none


async def test_one_slow_batch_does_not_lock_out_short_deadlines_for_ever() -> None:
    """An idle session is tried whatever the last batch cost, for only new batches mend the estimate."""
    session = FakeSession()
    async with busy(session) as (batcher, first):
        await asyncio.sleep(0.8)
        session.gate.set()
        await first
        assert value_of(await batcher.submit(image(7), deadline=time.monotonic() + 0.75)) == 7


async def test_a_full_queue_refuses_at_once() -> None:
    """Without waiting, with the time after which to come back; those who wait already are answered."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_queue_images=3)) as (batcher, _):
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 3)
        with pytest.raises(QueueFull) as refusal:
            await batcher.submit(image(9))
        assert refusal.value.retry_seconds >= 0.05
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == [1, 2, 3]
        assert value_of(await batcher.submit(image(4))) == 4
    assert session.batches == [[0], [1, 2, 3], [4]]


@pytest.mark.parametrize("error", [RuntimeError("CUDA failure 700"), MemoryError(), asyncio.CancelledError()])
async def test_a_failing_session_fails_only_its_batch(error: BaseException) -> None:
    """Each image of it gets the failure without the runtime's words, and the next batch works."""
    session = FakeSession()
    session.failures.append(error)
    async with started(session.run, BatchPolicy(max_batch_size=3, max_delay_seconds=3600)) as batcher:
        results = await asyncio.gather(*submit_all(batcher, range(1, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 3
        assert "CUDA" not in str(results[0])
        assert isinstance(results[0], InferenceFailed)
        assert results[0].__cause__ is error
        rows = await asyncio.gather(*submit_all(batcher, range(4, 7)))
        assert [value_of(row) for row in rows] == [4, 5, 6]


@pytest.mark.parametrize(("logits", "embeddings"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
async def test_a_wrong_number_of_answers_is_an_error(logits: int, embeddings: int) -> None:
    """No row is handed out by guessing, and the next batch works."""
    session = FakeSession()
    session.missing_logits, session.missing_embeddings = logits, embeddings
    async with started(session.run, BatchPolicy(max_batch_size=3, max_delay_seconds=3600)) as batcher:
        results = await asyncio.gather(*submit_all(batcher, range(1, 4)), return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 3
        session.missing_logits = session.missing_embeddings = 0
        rows = await asyncio.gather(*submit_all(batcher, range(4, 7)))
        assert [value_of(row) for row in rows] == [4, 5, 6]


async def test_images_of_different_sizes_fail_as_one_batch() -> None:
    """The batcher cannot know better; it must not stop over it."""
    session = FakeSession()
    async with busy(session) as (batcher, _):
        odd = asyncio.create_task(batcher.submit(np.zeros((9, 9, 1), dtype=np.uint8)))
        even = asyncio.create_task(batcher.submit(image(1)))
        await wait_until_queued(batcher, 2)
        session.gate.set()
        results = await asyncio.gather(odd, even, return_exceptions=True)
        assert [type(result) for result in results] == [InferenceFailed] * 2
        assert value_of(await batcher.submit(image(2))) == 2


async def test_several_images_are_one_request() -> None:
    """Their rows come back in their order, in as many batches as they need, beside those of others."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=3)) as (batcher, _):
        many = asyncio.create_task(batcher.submit_many(np.stack([image(value) for value in range(1, 6)])))
        one = asyncio.create_task(batcher.submit(image(9)))
        await wait_until_queued(batcher, 6)
        session.gate.set()
        rows = await many
        assert value_of(await one) == 9
    assert rows.logits[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert rows.embeddings is not None
    assert rows.embeddings[:, 0].tolist() == [1, 2, 3, 4, 5]
    assert session.batches == [[0], [1, 2, 3], [4, 5, 9]]


async def test_a_request_of_several_batches_fails_as_a_whole() -> None:
    """What one of them raises is the answer, and those that have not begun are not computed for nobody."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=2)) as (batcher, first):
        many = asyncio.create_task(batcher.submit_many(np.stack([image(value) for value in range(1, 7)])))
        await wait_until_queued(batcher, 6)
        session.failures.extend([RuntimeError("broken")] * 2)
        session.gate.set()
        with pytest.raises(InferenceFailed):
            await first
        with pytest.raises(InferenceFailed):
            await many
        assert value_of(await batcher.submit(image(7))) == 7
    assert session.batches[:2] == [[0], [1, 2]]
    assert [5, 6] not in session.batches


async def test_images_of_one_caller_go_in_pieces_and_are_answered_one_by_one() -> None:
    """A piece is a batch at most; what fails is the piece."""
    session, reports = FakeSession(), list[BatchReport]()
    async with started(session.run, BatchPolicy(max_batch_size=3), observe=reports.append) as batcher:
        session.failures.append(RuntimeError("broken"))
        rows = one_by_one(await batcher.submit_each(images(range(1, 6))))
        assert [type(row) for row in rows[:3]] == [InferenceFailed] * 3
        assert [value_of(row) for row in rows[3:] if isinstance(row, Row)] == [4, 5]
        assert await batcher.submit_each(images(range(0))) == []
    assert session.batches == [[1, 2, 3], [4, 5]]
    assert [(report.size, len(report.callers)) for report in reports] == [(2, 1)]


async def test_a_piece_that_does_not_fit_is_taken_apart() -> None:
    """As many of its images wait as there is room for."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=4, max_queue_images=3)) as (batcher, _):
        other = asyncio.create_task(batcher.submit(image(9)))
        await wait_until_queued(batcher, 1)
        many = asyncio.create_task(batcher.submit_each(images(range(1, 5))))
        await wait_until_queued(batcher, 3)
        session.gate.set()
        assert value_of(await other) == 9
        rows = one_by_one(await many)
    assert [value_of(row) for row in rows if isinstance(row, Row)] == [1, 2]
    assert [type(row) for row in rows[2:]] == [QueueFull] * 2


async def test_on_several_lanes_each_image_goes_alone() -> None:
    """So that one caller's images are spread over them."""
    session = FakeSession()
    session.gate.clear()
    async with started(session.run, BatchPolicy(lanes=2)) as batcher:
        many = asyncio.create_task(batcher.submit_each(images(range(1, 5))))
        await session.wait_until_busy()
        assert session.batches == [[1, 2], [3, 4]]
        session.gate.set()
        assert [value_of(row) for row in one_by_one(await many) if isinstance(row, Row)] == [1, 2, 3, 4]


async def test_lanes_compute_side_by_side() -> None:
    """What waits is spread over the free ones; none is begun beyond their number."""
    session = FakeSession()
    session.gate.clear()
    async with started(session.run, BatchPolicy(lanes=2)) as batcher:
        tasks = submit_all(batcher, range(1, 5))
        await session.wait_until_busy()
        late = asyncio.create_task(batcher.submit(image(5)))
        await wait_until_queued(batcher, 1)
        assert session.batches == [[1, 2], [3, 4]]
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks, late)] == [1, 2, 3, 4, 5]
    assert session.batches == [[1, 2], [3, 4], [5]]


async def test_a_delay_does_not_outlast_a_deadline() -> None:
    """Whoever waits for company on a free session goes while there is still time."""
    session, reports = FakeSession(), list[BatchReport]()
    policy = BatchPolicy(max_delay_seconds=3600)
    async with started(session.run, policy, observe=reports.append) as batcher:
        assert value_of(await batcher.submit(image(1), deadline=time.monotonic() + 2.0)) == 1
    assert [report.closed for report in reports] == [Closed.DEADLINE]


async def test_a_queue_is_bounded_in_bytes() -> None:
    """An image has six of them here."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_queue_bytes=15)) as (batcher, _):
        tasks = submit_all(batcher, range(1, 3))
        await wait_until_queued(batcher, 2)
        with pytest.raises(QueueFull, match="12 bytes"):
            await batcher.submit(image(9))
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == [1, 2]


async def test_a_model_without_embeddings_gives_none() -> None:
    """Rows carry what the graph has."""

    async def run(images: Tensor) -> Outputs:
        return Outputs(logits=np.zeros((len(images), 2), dtype=np.float32), embeddings=None)

    async with started(run) as batcher:
        assert (await batcher.submit(image(1))).embedding is None


async def test_a_drain_answers_all_that_was_accepted_then_refuses() -> None:
    """Newcomers are refused from the first moment, and the drain ends only after the last answer."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=2)) as (batcher, first):
        tasks = [first, *submit_all(batcher, range(1, 6))]
        await wait_until_queued(batcher, 5)
        drain = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0)
        with pytest.raises(ShuttingDown):
            await batcher.submit(image(9))
        assert not drain.done()
        session.gate.set()
        await drain
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == list(range(6))
        with pytest.raises(ShuttingDown):
            await batcher.submit(image(9))
    assert session.batches == [[0], [1, 2], [3, 4], [5]]


async def test_a_drain_does_not_wait_for_company() -> None:
    """Whoever waits for the delay is computed at once when the server goes."""
    session = FakeSession()
    async with started(session.run, BatchPolicy(max_delay_seconds=3600)) as batcher:
        tasks = submit_all(batcher, range(1, 3))
        await wait_until_queued(batcher, 2)
        await batcher.drain()
        assert [value_of(task.result()) for task in tasks] == [1, 2]


async def test_an_idle_batcher_drains_at_once_and_twice() -> None:
    """There is nothing to wait for."""
    async with started(FakeSession().run) as batcher:
        await batcher.drain()
        await batcher.drain()


@pytest.mark.parametrize("size", [1, 3, 7, 64])
async def test_answers_come_in_the_order_of_the_requests(size: int) -> None:
    """Each caller gets the row of its own image, and images are computed in the order of their arrival."""
    session = FakeSession()
    async with busy(session, BatchPolicy(max_batch_size=size)) as (batcher, _):
        tasks = submit_all(batcher, range(1, 201))
        await wait_until_queued(batcher, 200)
        session.gate.set()
        assert [value_of(row) for row in await asyncio.gather(*tasks)] == list(range(1, 201))
    assert [value for batch in session.batches for value in batch] == list(range(201))


async def test_the_observer_learns_what_happened() -> None:
    """Size, cause, each image's wait and the time of the session; the rows say the same."""
    session, reports = FakeSession(), list[BatchReport]()
    async with busy(session, BatchPolicy(max_batch_size=2), observe=reports.append) as (batcher, first):
        tasks = submit_all(batcher, range(1, 4))
        await wait_until_queued(batcher, 3)
        await asyncio.sleep(0.3)
        session.gate.set()
        rows = await asyncio.gather(first, *tasks)
    assert [(report.size, report.closed) for report in reports] == [
        (1, Closed.IDLE),
        (2, Closed.FULL),
        (1, Closed.IDLE),
    ]
    assert [row.batch_size for row in rows] == [1, 2, 2, 1]
    assert [wait for report in reports for wait in report.queue_seconds] == [row.queue_seconds for row in rows]
    assert reports[0].queue_seconds[0] < 0.3 <= reports[0].inference_seconds
    assert all(row.queue_seconds >= 0.3 for row in rows[1:])
    assert [row.inference_seconds for row in rows] == [
        reports[0].inference_seconds,
        *[reports[1].inference_seconds] * 2,
        reports[2].inference_seconds,
    ]


async def test_a_failed_batch_is_not_reported_as_done() -> None:
    """Its time says nothing of the cost of a batch."""
    session, reports = FakeSession(), list[BatchReport]()
    session.failures.append(RuntimeError("broken"))
    async with started(session.run, observe=reports.append) as batcher:
        with pytest.raises(ServiceError):
            await batcher.submit(image(1))
        await batcher.submit(image(2))
    assert [report.size for report in reports] == [1]


async def test_an_observer_that_raises_does_not_stop_the_worker() -> None:
    """Who only watches must not stop the work."""

    def observe(report: BatchReport) -> None:
        raise ValueError(report.size)

    async with started(FakeSession().run, observe=observe) as batcher:
        for value in range(1, 4):
            assert value_of(await batcher.submit(image(value))) == value
