"""What each version has done."""

from service.api.oip.statistics import Statistics
from service.engine.batcher import BatchReport, Closed
from service.models.tensor_model import Computed


def report(size: int, seconds: float) -> BatchReport:
    return BatchReport(size=size, closed=Closed.IDLE, queue_seconds=(0.0,) * size, inference_seconds=seconds)


def test_batches_are_counted_by_size() -> None:
    """Items, batches, and the time of each size."""
    statistics = Statistics()
    for size, seconds in ((2, 0.5), (2, 0.25), (5, 1.0)):
        statistics.observe_batch("m", 1, report(size, seconds))
    message = statistics.message("m", 1)
    assert (message.inference_count, message.execution_count) == (9, 3)
    assert [(batch.batch_size, batch.compute_infer.count, batch.compute_infer.ns) for batch in message.batch_stats] == [
        (2, 2, 750_000_000),
        (5, 1, 1_000_000_000),
    ]
    assert message.last_inference > 1_700_000_000_000


def test_requests_are_counted_by_how_they_ended() -> None:
    """With where their time went."""
    statistics = Statistics()
    computed = Computed(
        outputs={}, input_seconds=0.125, queue_seconds=0.25, inference_seconds=0.5, output_seconds=0.0625
    )
    statistics.observe_success("m", 1, computed, 1.0)
    statistics.observe_failure("m", 1, 2.0)
    told = statistics.message("m", 1).inference_stats
    assert (told.success.count, told.success.ns) == (1, 1_000_000_000)
    assert (told.fail.count, told.fail.ns) == (1, 2_000_000_000)
    assert [told.compute_input.ns, told.queue.ns, told.compute_infer.ns, told.compute_output.ns] == [
        125_000_000,
        250_000_000,
        500_000_000,
        62_500_000,
    ]


def test_versions_are_kept_apart() -> None:
    """One that has done nothing has zeros."""
    statistics = Statistics()
    statistics.observe_batch("m", 1, report(3, 0.1))
    assert statistics.message("m", 2).inference_count == 0
    assert statistics.message("m", 2).last_inference == 0
    assert not statistics.message("m", 2).batch_stats
