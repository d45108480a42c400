"""What each model version has done, as the statistics extension counts it: the requests of every door and the batches
that were computed for them, and nothing that the service asks of itself.
"""

import time
from collections import defaultdict
from dataclasses import dataclass, field

from recognition.oip import open_inference_pb2 as pb

from service.engine.batcher import BatchReport
from service.engine.errand import is_own_errand
from service.engine.times import Work

BILLION = 1_000_000_000


@dataclass(slots=True)
class _Duration:
    count: int = 0
    seconds: float = 0.0

    def add(self, seconds: float, count: int = 1) -> None:
        self.count += count
        self.seconds += seconds

    def message(self) -> pb.StatisticDuration:
        return pb.StatisticDuration(count=self.count, ns=int(self.seconds * BILLION))


@dataclass(slots=True)
class _Tally:
    last_inference_ms: int = 0
    items: int = 0
    batches: int = 0
    success: _Duration = field(default_factory=_Duration)
    fail: _Duration = field(default_factory=_Duration)
    queue: _Duration = field(default_factory=_Duration)
    compute_input: _Duration = field(default_factory=_Duration)
    compute_infer: _Duration = field(default_factory=_Duration)
    compute_output: _Duration = field(default_factory=_Duration)
    cache_hit: _Duration = field(default_factory=_Duration)
    cache_miss: _Duration = field(default_factory=_Duration)
    by_size: defaultdict[int, _Duration] = field(default_factory=lambda: defaultdict(_Duration))


class Statistics:
    """One for the process; lives on its event loop."""

    def __init__(self) -> None:
        self._tallies: defaultdict[tuple[str, int], _Tally] = defaultdict(_Tally)

    def observe_batch(self, name: str, version: int, report: BatchReport) -> None:
        """A batch was computed. It counts where somebody asked for any part of it, with the size that it had."""
        if report.callers and all(map(is_own_errand, report.callers)):
            return
        tally = self._tallies[name, version]
        tally.batches += 1
        tally.by_size[report.size].add(report.inference_seconds)

    def observe_success(self, name: str, version: int, work: Work, seconds: float) -> None:
        """A request was answered, in so many seconds. Computing counts where anything was computed for it."""
        tally = self._tallies[name, version]
        tally.last_inference_ms = int(time.time() * 1000)
        tally.items += work.items
        tally.success.add(seconds)
        tally.queue.add(work.queue_seconds)
        if work.hits or work.misses:
            tally.cache_hit.add(work.hit_seconds, work.hits)
            tally.cache_miss.add(work.miss_seconds, work.misses)
        if work.items:
            tally.compute_input.add(work.input_seconds)
            tally.compute_infer.add(work.inference_seconds)
            tally.compute_output.add(work.output_seconds)

    def observe_failure(self, name: str, version: int, seconds: float) -> None:
        """A request failed, after so many seconds."""
        self._tallies[name, version].fail.add(seconds)

    def message(self, name: str, version: int) -> pb.ModelStatistics:
        """What is known of one version; zeros where it has done nothing."""
        tally = self._tallies.get((name, version)) or _Tally()
        none = pb.StatisticDuration()
        return pb.ModelStatistics(
            name=name,
            version=str(version),
            last_inference=tally.last_inference_ms,
            inference_count=tally.items,
            execution_count=tally.batches,
            inference_stats=pb.InferStatistics(
                success=tally.success.message(),
                fail=tally.fail.message(),
                queue=tally.queue.message(),
                compute_input=tally.compute_input.message(),
                compute_infer=tally.compute_infer.message(),
                compute_output=tally.compute_output.message(),
                cache_hit=tally.cache_hit.message(),
                cache_miss=tally.cache_miss.message(),
            ),
            batch_stats=[
                pb.InferBatchStatistics(
                    batch_size=size, compute_input=none, compute_infer=duration.message(), compute_output=none
                )
                for size, duration in sorted(tally.by_size.items())
            ],
        )
