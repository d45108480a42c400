"""Notes what a loaded model tells its observer."""

from service.engine.batcher import BatchReport
from service.engine.times import Seconds, Stage
from service.models.manifest import Manifest


class Observed:
    """Stages and batches, with the name of the model, in the order they were told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, Stage]] = []
        self.batches: list[tuple[str, int]] = []

    def stage(self, manifest: Manifest, stage: Stage, seconds: Seconds) -> None:
        assert min(seconds) >= 0
        self.stages.extend([(manifest.name, stage)] * len(seconds))

    def batch(self, manifest: Manifest, report: BatchReport) -> None:
        self.batches.append((manifest.name, report.size))
