"""The way of images: decode → preprocess → batcher → session → postprocess, with a clock on each stage.

One image goes as an object. Several go in chunks, column by column, since thousands of small ones a second would cost
more as objects than to compute.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import cast

from service.engine.answers import Answer, Answers, Embedded
from service.engine.batcher import Batcher, Row
from service.engine.computed_images import ComputedChunk, ComputedImages, computed_images
from service.engine.decode import ImageLimits
from service.engine.decode_line import DecodeLine
from service.engine.decoders import Decoders
from service.engine.decoding import Decoding
from service.engine.lone import Lone
from service.engine.postprocess import Ranked, classification_of, ranked
from service.engine.preparation import Preparation, Watch
from service.engine.prepared import Prepared, PreparedImages
from service.engine.priority import Priority
from service.engine.response_cache import CachePart
from service.engine.time_columns import Column
from service.engine.times import Seconds, Stage, Times, each_of, times_of
from service.errors import DeadlineUnreachable, QueueFull, ServiceError
from service.models.manifest import Calibration, InputSpec

CHUNKS_OF_A_REQUEST = 8
"""Most parts that a large request is decoded in, side by side."""
CHUNK_BYTES = 64 * 2**10
"""A part has no less: to hand one to a thread and to hear of its end costs as much as decoding a few small images."""
PATIENT_CHUNK_BYTES = 4 * CHUNK_BYTES
"""The same at the lowest priority, where nobody waits for the first of them."""
SMALL_BYTES = 4 * 2**10
"""Of a file: below that, most of the decoding is Python, which runs in one thread at a time, so that more threads would
mostly wait for each other.
"""

ObserveStage = Callable[[Stage, Seconds], None]
"""Told of a stage of several images, in seconds."""
ObserveImages = Callable[[Iterable[Times]], None]
"""Told of the images of a request; those that nobody looks at are not even made."""


class Classifier:
    """One version of one model: encoded images in, ranked labels out. Neither knows gRPC nor holds files."""

    def __init__(
        self,
        *,
        spec: InputSpec,
        labels: Sequence[str],
        calibration: Calibration,
        limits: ImageLimits,
        batcher: Batcher,
        workers: ThreadPoolExecutor,
        small_at_once: int = 1,
        chunk_images: int = 16,
        decoding: Decoding = Decoding.EXACT,
        decoders: Decoders | None = None,
        observe: ObserveStage = lambda _stage, _seconds: None,
        observe_images: ObserveImages = lambda _times: None,
        observe_rows: Watch = lambda _rows: None,
    ) -> None:
        self._preparation = Preparation(spec, limits, decoding, decoders=decoders, watch=observe_rows)
        self._labels = labels
        self._calibration = calibration
        self._batcher = batcher
        self._workers = workers
        self._line = DecodeLine(workers, batcher, small_at_once=small_at_once)
        self._chunk_images = chunk_images
        self._observe = observe
        self._observe_images = observe_images
        self._requests = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def classify(
        self,
        image: bytes,
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Answer:
        """One encoded image in, its labels out. Raises a ServiceError.

        Where there is no room or no time for it, it is not even decoded.
        """
        with self._inside():
            if (refusal := self._refusal(deadline, priority)) is not None:
                raise refusal
            if self._line.is_empty and self._preparation.cache is None and self._batcher.takes_lone:
                prepared, row = await self._lone(image, deadline, priority)
            else:
                prepared = await self._line.run(self._preparation.prepare_or_recall, image, 1, priority=priority)
                row = await self._row(prepared, deadline, priority)
        began = time.monotonic()
        classification = classification_of(
            row.logits,
            labels=self._labels,
            temperature=self._calibration.temperature,
            top_k=top_k,
            min_confidence=self._threshold(min_confidence),
        )
        times = times_of(prepared, row, postprocess_seconds=time.monotonic() - began)
        for stage in Stage:
            self._observe(stage, (getattr(times, stage),))
        self._observe_images((times,))
        return Answer(classification=classification, times=times)

    def _refusal(self, deadline: float | None, priority: Priority) -> ServiceError | None:
        """Why an image that comes now is not even decoded; those that may be in the cache always are looked at."""
        try:
            if self._preparation.cache is None:
                self._line.check_room(deadline=deadline, priority=priority)
        except (QueueFull, DeadlineUnreachable) as error:
            return error
        return None

    async def classify_many(
        self,
        images: Sequence[bytes],
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> Answers:
        """An answer or an error for each image; a bad image never harms its neighbours."""
        computed = await self.compute_many(images, deadline=deadline, priority=priority)
        answers = Answers(computed=computed, ranked=self._ranked(computed, top_k, min_confidence), labels=self._labels)
        self._note(computed)
        return answers

    async def embed_many(
        self, images: Sequence[bytes], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> list[Embedded | ServiceError]:
        """An embedding or an error for each image, in order, of a model that gives embeddings."""
        computed = await self.compute_many(images, deadline=deadline, priority=priority)
        self._note(computed)
        vectors = computed.embeddings
        rows = zip(() if vectors is None else vectors, each_of(computed.times), strict=True)
        return computed.in_order([Embedded(vector=vector, times=times) for vector, times in rows])

    async def compute_many(
        self, images: Sequence[bytes], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> ComputedImages:
        """The model's outputs, with what each image cost, or an error."""
        refusal = self._refusal(deadline, priority)

        async def chunk(part: Sequence[bytes]) -> ComputedChunk:
            if refusal is None:
                prepared = await self._line.run(prepare, part, len(part), priority=priority, small=small)
            else:
                prepared = self._preparation.refused(len(part), refusal)
            pieces = await self._batcher.submit_each(prepared.tensors, deadline=deadline, priority=priority)
            computed = ComputedChunk(prepared=prepared, pieces=pieces)
            self._preparation.keep_all(prepared, computed.rows)
            return computed

        size_bytes = sum(map(len, images))
        least = PATIENT_CHUNK_BYTES if priority is Priority.LOW else CHUNK_BYTES
        parts = max(1, min(CHUNKS_OF_A_REQUEST, size_bytes // least))
        size = max(self._chunk_images, math.ceil(len(images) / parts))
        small = size_bytes < SMALL_BYTES * len(images)
        prepare = partial(self._preparation.prepare_all, small=small)
        with self._inside():
            chunks = await asyncio.gather(*(chunk(images[at : at + size]) for at in range(0, len(images), size)))
        return computed_images(chunks)

    async def compute(
        self, image: bytes, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> tuple[Prepared, Row]:
        """One encoded image in, the model's input and its outputs back, never from memory. Raises a ServiceError."""
        with self._inside():
            prepared = await asyncio.get_running_loop().run_in_executor(self._workers, self.prepare, image)
            return prepared, await self._batcher.submit(prepared.tensor, deadline=deadline, priority=priority)

    async def quiet(self) -> None:
        """Returns when no request is being worked on; for a version that is given no new ones. Its threads end then."""
        await self._empty.wait()
        self._line.close()

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._requests += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._requests -= 1
            if self._requests == 0:
                self._empty.set()

    def prepare(self, image: bytes, *, decoding: Decoding | None = None) -> Prepared:
        """What `Preparation.prepare` gives."""
        return self._preparation.prepare(image, decoding=decoding)

    def prepare_all(self, images: Sequence[bytes]) -> PreparedImages:
        """What `Preparation.prepare_all` gives."""
        return self._preparation.prepare_all(images)

    def remember_in(self, cache: CachePart) -> None:
        """From now on outputs are kept, and found again where the same file comes once more."""
        self._preparation.cache = cache

    async def _lone(self, image: bytes, deadline: float | None, priority: Priority) -> tuple[Prepared, Row]:
        """In one thread, where nothing else is under way."""
        lone = Lone(partial(self._preparation.prepare, image), deadline=deadline)
        row = await self._batcher.submit_lone(lone, deadline=deadline, priority=priority)
        self._line.note(lone.began_at - lone.came_at)
        prepared = cast("Prepared", lone.prepared)  # else there would be no row
        self._preparation.keep(prepared, row)
        return prepared, row

    async def _row(self, prepared: Prepared, deadline: float | None, priority: Priority) -> Row:
        if prepared.known is not None:
            return prepared.known
        row = await self._batcher.submit(prepared.tensor, deadline=deadline, priority=priority)
        self._preparation.keep(prepared, row)
        return row

    def _ranked(self, computed: ComputedImages, top_k: int, min_confidence: float | None) -> Ranked:
        """All together; each has its share of the time that this took."""
        began = time.monotonic()
        threshold, temperature = self._threshold(min_confidence), self._calibration.temperature
        best = ranked(computed.logits, temperature=temperature, top_k=top_k, min_confidence=threshold)
        computed.times[Column.POSTPROCESS] = (time.monotonic() - began) / max(1, len(computed))
        return best

    def _threshold(self, min_confidence: float | None) -> float | None:
        """Of the request, else of the model."""
        return self._calibration.unknown_threshold if min_confidence is None else min_confidence

    def _note(self, computed: ComputedImages) -> None:
        if len(computed):
            for stage in Stage:
                self._observe(stage, computed.times[Column[stage.name]])
            self._observe_images(each_of(computed.times))
