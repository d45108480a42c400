"""The way of one image: decode → preprocess → batcher → session → postprocess, with a clock on each stage."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from service.engine.batcher import Batcher, Row
from service.engine.decode import Decode, ImageLimits, decode
from service.engine.decoding import Decoding
from service.engine.postprocess import Classification, classification_of
from service.engine.preparation import Preparation, Prepared
from service.engine.priority import Priority
from service.engine.response_cache import CachePart
from service.errors import ServiceError
from service.models.manifest import Calibration, InputSpec


class Stage(StrEnum):
    """Where the time of a request goes."""

    DECODE = "decode"
    PREPROCESS = "preprocess"
    QUEUE = "queue"
    INFERENCE = "inference"
    POSTPROCESS = "postprocess"


Result = TypeVar("Result")
ObserveStage = Callable[[Stage, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds spent in each stage."""

    decode: float = 0.0
    preprocess: float = 0.0
    queue: float = 0.0
    inference: float = 0.0
    postprocess: float = 0.0
    batch_size: int = 0
    began_at: float = 0.0
    """When decoding began, on the clock of `time.monotonic`."""
    computed_at: float = 0.0
    """When the batch began, on the same clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one image."""

    classification: Classification
    times: Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """One image as a vector."""

    vector: npt.NDArray[np.float32]  # (embedding_size,)
    times: Times


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
        chunk_images: int = 16,
        decoding: Decoding = Decoding.EXACT,
        decode: Decode = decode,
        observe: ObserveStage = lambda _stage, _seconds: None,
        observe_image: Callable[[Times], None] = lambda _times: None,
        observe_row: Callable[[Prepared, Row], None] = lambda _prepared, _row: None,
    ) -> None:
        self._preparation = Preparation(spec, limits, decoding, decode=decode, watch=observe_row)
        self._labels = labels
        self._calibration = calibration
        self._batcher = batcher
        self._workers = workers
        self._chunk_images = chunk_images
        self._observe = observe
        self._observe_image = observe_image
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
        """One encoded image in, its labels out. Raises a ServiceError."""
        with self._inside():
            prepare = self._preparation.prepare_or_recall
            prepared = await asyncio.get_running_loop().run_in_executor(self._workers, prepare, image)
            row = await self._row(prepared, deadline, priority)
        return self._answer(prepared, row, top_k, min_confidence)

    async def classify_many(
        self,
        images: Sequence[bytes],
        *,
        top_k: int,
        min_confidence: float | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> list[Answer | ServiceError]:
        """An answer or an error for each image, in order; a bad image never harms its neighbours."""
        return await self._each(
            images, deadline, priority, lambda prepared, row: self._answer(prepared, row, top_k, min_confidence)
        )

    async def embed_many(
        self, images: Sequence[bytes], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> list[Embedded | ServiceError]:
        """An embedding or an error for each image, in order, of a model that gives embeddings."""
        return await self._each(images, deadline, priority, self._embedded)

    async def compute_many(
        self, images: Sequence[bytes], *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> list[tuple[Prepared, Row] | ServiceError]:
        """The model's outputs, with what each image cost, or an error, in order."""
        return await self._each(images, deadline, priority, lambda prepared, row: (prepared, row))

    async def compute(
        self, image: bytes, *, deadline: float | None = None, priority: Priority = Priority.NORMAL
    ) -> tuple[Prepared, Row]:
        """One encoded image in, the model's input and its outputs back, never from memory. Raises a ServiceError."""
        with self._inside():
            loop = asyncio.get_running_loop()
            prepared = await loop.run_in_executor(self._workers, self.prepare, image)
            return prepared, await self._batcher.submit(prepared.tensor, deadline=deadline, priority=priority)

    async def quiet(self) -> None:
        """Returns when no request is being worked on; for a version that is given no new ones."""
        await self._empty.wait()

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

    async def _each(
        self,
        images: Sequence[bytes],
        deadline: float | None,
        priority: Priority,
        finish: Callable[[Prepared, Row], Result],
    ) -> list[Result | ServiceError]:
        async def result(prepared: Prepared | ServiceError) -> Result | ServiceError:
            if isinstance(prepared, ServiceError):
                return prepared
            try:
                row = await self._row(prepared, deadline, priority)
            except ServiceError as error:
                return error
            return finish(prepared, row)

        async def chunk(part: Sequence[bytes]) -> list[Result | ServiceError]:
            prepared = await asyncio.get_running_loop().run_in_executor(
                self._workers, self._preparation.prepare_all, part
            )
            return await asyncio.gather(*(result(item) for item in prepared))

        size = self._chunk_images
        with self._inside():
            chunks = await asyncio.gather(*(chunk(images[at : at + size]) for at in range(0, len(images), size)))
        return [result for part in chunks for result in part]

    def prepare(self, image: bytes, *, decoding: Decoding | None = None) -> Prepared:
        """What `Preparation.prepare` gives."""
        return self._preparation.prepare(image, decoding=decoding)

    def remember_in(self, cache: CachePart) -> None:
        """From now on outputs are kept, and found again where the same file comes once more."""
        self._preparation.cache = cache

    async def _row(self, prepared: Prepared, deadline: float | None, priority: Priority) -> Row:
        if prepared.known is not None:
            return prepared.known
        row = await self._batcher.submit(prepared.tensor, deadline=deadline, priority=priority)
        self._preparation.keep(prepared, row)
        return row

    def _answer(self, prepared: Prepared, row: Row, top_k: int, min_confidence: float | None) -> Answer:
        began = time.monotonic()
        classification = classification_of(
            row.logits,
            labels=self._labels,
            temperature=self._calibration.temperature,
            top_k=top_k,
            min_confidence=self._calibration.unknown_threshold if min_confidence is None else min_confidence,
        )
        times = times_of(prepared, row, postprocess_seconds=time.monotonic() - began)
        self._note(times)
        return Answer(classification=classification, times=times)

    def _embedded(self, prepared: Prepared, row: Row) -> Embedded:
        assert row.embedding is not None  # noqa: S101 - asked only of models whose manifest names the output
        times = times_of(prepared, row)
        self._note(times)
        return Embedded(vector=row.embedding, times=times)

    def _note(self, times: Times) -> None:
        self._observe(Stage.DECODE, times.decode)
        self._observe(Stage.PREPROCESS, times.preprocess)
        self._observe(Stage.QUEUE, times.queue)
        self._observe(Stage.INFERENCE, times.inference)
        self._observe(Stage.POSTPROCESS, times.postprocess)
        self._observe_image(times)


def times_of(prepared: Prepared, row: Row, *, postprocess_seconds: float = 0.0) -> Times:
    """Where the time of one image went."""
    return Times(
        decode=prepared.decode_seconds,
        preprocess=prepared.preprocess_seconds,
        queue=row.queue_seconds,
        inference=row.inference_seconds,
        postprocess=postprocess_seconds,
        batch_size=row.batch_size,
        began_at=prepared.began_at,
        computed_at=row.computed_at,
    )
