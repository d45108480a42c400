"""From a package on disk to a model that answers: read → build the session → prove → warm up → start."""

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from service.engine.activation import ActivationSession
from service.engine.batcher import Batcher, BatchPolicy, BatchReport, Row, Tensor
from service.engine.decode import ImageLimits
from service.engine.decoders import Decoders
from service.engine.decoding import Decoding
from service.engine.device_guard import DeviceGuard
from service.engine.execution import GPU_PROVIDERS, Options
from service.engine.explain import Explainer, LabelMaps
from service.engine.layouts import Layouts
from service.engine.pipeline import Classifier
from service.engine.place import Place
from service.engine.response_cache import ResponseCache
from service.engine.times import Seconds, Stage, Times
from service.models.choice import Candidate, candidates_of
from service.models.explanation import load_activation
from service.models.golden import GoldenSamples
from service.models.live_model import LiveModel
from service.models.manifest import GOLDEN_FILE, Manifest
from service.models.precisions import load_others
from service.models.proof import Proved, first_proved
from service.models.repository import Package, PackageRefused
from service.models.samples import Sample, choose_samples
from service.models.sessions import Sessions
from service.models.variant import PrecisionChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadObserver:
    """Who wants to know of stages and batches of a model, for the metrics."""

    stage: Callable[[Manifest, Stage, Seconds], None]
    """Told of the seconds of each image of a request."""
    batch: Callable[[Manifest, BatchReport], None]
    images: Callable[[Iterable[Times]], None] = lambda _times: None
    rows: Callable[[Manifest, Iterable[tuple[Tensor, Row]]], None] = lambda _manifest, _rows: None
    """Images were computed for somebody who waits for them."""


class ModelLoader:
    """Builds live models that share one pool of decode workers, of which `small_at_once` may have small files of one
    model at a time.
    """

    def __init__(
        self,
        *,
        provider: str,
        threads: int,
        tiny_threads: int | None = None,
        policy: BatchPolicy,
        limits: ImageLimits,
        workers: ThreadPoolExecutor,
        small_at_once: int = 1,
        observer: LoadObserver,
        decoders: Decoders | None = None,
        guard: DeviceGuard | None = None,
        tries: bool = False,
        precision: PrecisionChoice = PrecisionChoice.AUTO,
        every_precision: bool = False,
        decoding: Decoding = Decoding.EXACT,
        cache: ResponseCache | None = None,
        provider_options: Options | None = None,
    ) -> None:
        self._provider = provider
        self._sessions = Sessions(
            provider=provider,
            threads=threads,
            tiny_threads=tiny_threads,
            provider_options=provider_options,
            tries=tries,
        )
        self._precision = precision
        self._every_precision = every_precision
        self._decoding = decoding
        self._cache = cache
        self._threads = threads
        self._policy = policy
        self._limits = limits
        self._workers = workers
        self._small_at_once = small_at_once
        self._decoders = decoders
        self._observer = observer
        self._guard = guard or DeviceGuard()

    async def load(self, package: Package) -> LiveModel:
        """Raises PackageRefused where the package is damaged or disagrees with its golden samples."""
        try:
            return await self._load_all(package)
        except PackageRefused as error:
            self._guard.look_at(error.__cause__)
            raise

    async def _load_all(self, package: Package) -> LiveModel:
        live = await self._load(package, self._precision)
        if not self._every_precision:
            return live
        load = partial(self._load, package, beside=live)
        return replace(live, others=await load_others(package, live, load))

    async def _load(self, package: Package, wanted: PrecisionChoice, *, beside: LiveModel | None = None) -> LiveModel:
        """`beside` is the same version in another precision, whose maps are taken."""
        began = time.monotonic()
        manifest = package.manifest
        runner = _runner(manifest, self._policy.lanes)
        loop = asyncio.get_running_loop()
        try:
            candidates = await loop.run_in_executor(runner, self._candidates, package, wanted)
            chosen = candidates[0]
            layouts = self._sessions.layouts(
                package,
                lanes=self._policy.lanes,
                chosen=lambda: (chosen.precision, chosen.session),  # it, and the classifier, are known below
                prepare=lambda image: _prepare_as_recorded(manifest, classifier, image),
            )
            batcher = self._build_batcher(manifest, self._place(layouts, runner))
            classifier = self._build_classifier(manifest, batcher)
            proved = await loop.run_in_executor(runner, self._prove, package, candidates, classifier)
            chosen = proved.candidate
            if self._cache is not None:
                part = self._cache.part_of(manifest.name, digest=package.digest, precision=chosen.precision)
                classifier.remember_in(part)
            batcher.expect(proved.costs)
            explainer = await self._load_explainer(package, classifier, batcher, runner, beside)
            samples = _samples(package, chosen)
        except BaseException:
            runner.shutdown(wait=False)
            raise
        await batcher.start()
        return LiveModel(
            manifest=manifest,
            digest=package.digest,
            precision=chosen.precision,
            precision_reason=chosen.reason,
            provider=chosen.session.provider,
            golden_difference=proved.golden_difference,
            load_seconds=time.monotonic() - began,
            classifier=classifier,
            explainer=explainer,
            samples=samples,
            session=chosen.session,
            batcher=batcher,
            layouts=layouts,
            runner=runner,
        )

    def _place(self, layouts: Layouts, runner: ThreadPoolExecutor) -> Place:
        return Place(layouts, runner, stage=layouts.stage if self._provider in GPU_PROVIDERS else None)

    def _candidates(self, package: Package, wanted: PrecisionChoice) -> tuple[Candidate, ...]:
        package.check_files()
        return candidates_of(package, wanted, provider=self._provider, build=self._sessions.open)

    def _prove(self, package: Package, candidates: tuple[Candidate, ...], classifier: Classifier) -> Proved:
        return first_proved(
            package,
            candidates,
            prepare=partial(_prepare_as_recorded, package.manifest, classifier),
            largest_batch=self._policy.max_batch_size,
        )

    def _build_batcher(self, manifest: Manifest, place: Place) -> Batcher:
        return Batcher(
            partial(self._guard.run, place.compute),
            self._policy,
            run_job=partial(self._guard.whole, place.compute_job),
            observe=lambda report: self._observer.batch(manifest, report),
        )

    def _build_classifier(self, manifest: Manifest, batcher: Batcher) -> Classifier:
        return Classifier(
            spec=manifest.input,
            labels=manifest.labels,
            calibration=manifest.calibration,
            limits=self._limits,
            batcher=batcher,
            workers=self._workers,
            small_at_once=self._small_at_once,
            decoding=self._decoding,
            decoders=self._decoders,
            observe=lambda stage, seconds: self._observer.stage(manifest, stage, seconds),
            observe_images=self._observer.images,
            observe_rows=lambda rows: self._observer.rows(manifest, rows),
        )

    def _load_activation(self, package: Package, classifier: Classifier) -> ActivationSession | None:
        return load_activation(
            package,
            provider=self._provider,
            threads=self._threads,
            prepare=partial(_prepare_as_recorded, package.manifest, classifier),
        )

    async def _load_explainer(
        self,
        package: Package,
        classifier: Classifier,
        batcher: Batcher,
        runner: ThreadPoolExecutor,
        beside: LiveModel | None,
    ) -> Explainer:
        if beside is not None:
            return beside.explainer.through(classifier, batcher)
        manifest, loop = package.manifest, asyncio.get_running_loop()
        activation = await loop.run_in_executor(runner, self._load_activation, package, classifier)

        async def maps(session: ActivationSession, tensor: Tensor) -> LabelMaps:
            activations = await loop.run_in_executor(runner, session.run, tensor[np.newaxis])
            label_maps: LabelMaps = activations.maps[0]
            return label_maps

        return Explainer(
            classifier=classifier,
            batcher=batcher,
            spec=manifest.input,
            labels=manifest.labels,
            calibration=manifest.calibration,
            workers=self._workers,
            activation_maps=None if activation is None else partial(maps, activation),
        )


def _runner(manifest: Manifest, lanes: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(lanes, thread_name_prefix=f"session-{manifest.name}-{manifest.version}")


def _samples(package: Package, chosen: Candidate) -> tuple[Sample, ...]:
    golden = GoldenSamples.from_bytes(package.read(GOLDEN_FILE))
    return choose_samples(golden, package.manifest.labels, chosen.precision)


def _prepare_as_recorded(manifest: Manifest, classifier: Classifier, image: bytes) -> Tensor:
    """Golden samples are decoded the way training decoded them, whatever the settings serve."""
    return classifier.prepare(image, decoding=Decoding(manifest.golden_decode)).tensor
