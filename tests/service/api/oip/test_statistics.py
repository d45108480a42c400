"""What each version has done."""

import contextvars

from service.api.oip.statistics import Statistics
from service.engine.batcher import BatchReport, Closed
from service.engine.errand import own_errand
from service.engine.times import Work


def report(size: int, seconds: float, *, callers: tuple[contextvars.Context, ...] = ()) -> BatchReport:
    return BatchReport(
        size=size, closed=Closed.IDLE, queue_seconds=(0.0,) * size, inference_seconds=seconds, callers=callers
    )


def test_batches_are_counted_by_size() -> None:
    """Batches, and the time of each size."""
    statistics = Statistics()
    for size, seconds in ((2, 0.5), (2, 0.25), (5, 1.0)):
        statistics.observe_batch("m", 1, report(size, seconds))
    message = statistics.message("m", 1)
    assert message.execution_count == 3
    assert [(batch.batch_size, batch.compute_infer.count, batch.compute_infer.ns) for batch in message.batch_stats] == [
        (2, 2, 750_000_000),
        (5, 1, 1_000_000_000),
    ]


def test_what_the_service_asks_of_itself_does_not_count() -> None:
    """A batch of a golden sample alone; one that a caller shared with it does."""
    statistics, caller = Statistics(), contextvars.copy_context()
    with own_errand():
        own = contextvars.copy_context()
    statistics.observe_batch("m", 1, report(1, 0.5, callers=(own,)))
    assert statistics.message("m", 1).execution_count == 0
    statistics.observe_batch("m", 1, report(2, 0.5, callers=(own, caller)))
    assert statistics.message("m", 1).execution_count == 1


def test_requests_are_counted_by_how_they_ended() -> None:
    """With where their time went."""
    statistics = Statistics()
    work = Work(items=3, input_seconds=0.125, queue_seconds=0.25, inference_seconds=0.5, output_seconds=0.0625)
    statistics.observe_success("m", 1, work, 1.0)
    statistics.observe_failure("m", 1, 2.0)
    message = statistics.message("m", 1)
    assert message.inference_count == 3
    assert message.last_inference > 1_700_000_000_000
    told = message.inference_stats
    assert (told.success.count, told.success.ns) == (1, 1_000_000_000)
    assert (told.fail.count, told.fail.ns) == (1, 2_000_000_000)
    assert [told.compute_input.ns, told.queue.ns, told.compute_infer.ns, told.compute_output.ns] == [
        125_000_000,
        250_000_000,
        500_000_000,
        62_500_000,
    ]


def test_what_the_cache_knew_was_not_computed() -> None:
    """A request of it alone waits in no queue; of others the part that was computed counts, and each lookup."""
    statistics = Statistics()
    statistics.observe_success("m", 1, Work(items=0, hits=2, hit_seconds=0.5), 0.75)
    work = Work(items=1, inference_seconds=0.5, hits=1, hit_seconds=0.25, misses=1, miss_seconds=0.125)
    statistics.observe_success("m", 1, work, 1.0)
    message = statistics.message("m", 1)
    told = message.inference_stats
    assert (message.inference_count, told.success.count, told.queue.count, told.compute_infer.count) == (1, 2, 2, 1)
    assert (told.cache_hit.count, told.cache_hit.ns) == (3, 750_000_000)
    assert (told.cache_miss.count, told.cache_miss.ns) == (1, 125_000_000)


def test_versions_are_kept_apart() -> None:
    """One that has done nothing has zeros."""
    statistics = Statistics()
    statistics.observe_batch("m", 1, report(3, 0.1))
    assert statistics.message("m", 2).inference_count == 0
    assert statistics.message("m", 2).last_inference == 0
    assert not statistics.message("m", 2).batch_stats
