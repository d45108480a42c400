"""One version that answers: what was learned while loading it, and what answers; in one precision or in several."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from service.engine.batcher import Batcher
from service.engine.explain import Explainer
from service.engine.layouts import Layouts
from service.engine.pipeline import Classifier
from service.engine.session import Session
from service.errors import PrecisionNotFound
from service.models.manifest import Manifest, Precision
from service.models.samples import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """One version that answers, with the facts that were learned while loading it."""

    manifest: Manifest
    digest: str
    precision: Precision
    provider: str
    golden_difference: float
    load_seconds: float
    classifier: Classifier
    explainer: Explainer
    samples: tuple[Sample, ...]
    session: Session
    """The proved one, for whoever makes batches of its own."""
    batcher: Batcher
    layouts: Layouts
    runner: ThreadPoolExecutor
    precision_reason: str = ""
    """Why this precision answers, in one sentence."""
    others: tuple["LiveModel", ...] = ()
    """The same version in other precisions, for callers that name one."""

    @property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that answer; first the one that does where none is named."""
        return (self.precision, *(other.precision for other in self.others))

    @property
    def waiting(self) -> int:
        """Images in the queues of all precisions."""
        return self.batcher.waiting + sum(other.waiting for other in self.others)

    @property
    def hanging_seconds(self) -> float:
        """How long a batch of it has been running that should have been done long ago; 0 where none is."""
        return max(self.batcher.hanging_seconds, *(other.hanging_seconds for other in self.others), 0.0)

    def variant(self, precision: Precision | None) -> "LiveModel":
        """The version in this precision; None is the chosen one. Raises PrecisionNotFound."""
        if precision is None:
            return self
        for live in (self, *self.others):
            if precision is live.precision:
                return live
        manifest = self.manifest
        raise PrecisionNotFound(
            f"{manifest.name} version {manifest.version} does not answer in {precision} but in "
            f"{', '.join(self.precisions)}; a server with serve_precisions = all offers all that the package holds.",
            model=manifest.name,
        )

    async def drain(self) -> None:
        """Answers what was accepted, images that are still being decoded included, then lets go of the session."""
        for other in self.others:
            await other.drain()
        await self.classifier.quiet()
        await self.batcher.drain()
        self.layouts.close()
        self.runner.shutdown(wait=False)
